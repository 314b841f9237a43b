import { posix } from "node:path";
import { PlyError } from "../error.ts";
import type { HostSettings } from "./host-settings.ts";

/** Where `--cgroup-parent` leads, without a slash at its end; undefined: below the engine's own. Throws "invalid". */
export function cgroupParentOf({ cgroupParent = "" }: HostSettings): string | undefined {
  if (cgroupParent === "") return undefined;
  const path = posix.join("/", cgroupParent).replace(/\/$/, "");
  if (path === "" || cgroupParent.includes("\0") || cgroupParent.split("/").includes(".."))
    throw new PlyError("invalid", `invalid cgroup parent ${JSON.stringify(cgroupParent)}`, {
      hint: "give a path below the root of the cgroups: /builds",
    });
  return path;
}
