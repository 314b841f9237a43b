import { posix } from "node:path";
import { PlyError } from "../error.ts";
import type { ContainerMount } from "./containers.ts";

/** Flags with their opposites: the last of a pair counts. */
const OPPOSITES: Readonly<Record<string, string>> = {
  ro: "rw",
  rw: "ro",
  exec: "noexec",
  noexec: "exec",
  suid: "nosuid",
  nosuid: "suid",
  dev: "nodev",
  nodev: "dev",
  atime: "noatime",
  noatime: "atime",
  diratime: "nodiratime",
  nodiratime: "diratime",
  relatime: "norelatime",
  norelatime: "relatime",
  strictatime: "nostrictatime",
  nostrictatime: "strictatime",
  sync: "async",
  async: "sync",
  dirsync: "dirsync",
};
const KEYS = new Set(["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"]);

/** A tmpfs with Docker's flags (`noexec,nosuid,nodev`), the given ones over them. Throws "invalid" in Docker's words. */
export function tmpfsMount(
  place: string,
  given: {
    readonly readOnly?: boolean;
    /** As in `--tmpfs`: `size=64m,exec`. */
    readonly options?: string;
    /** Bytes. */
    readonly size?: number;
    readonly mode?: number;
  },
): ContainerMount {
  if (!place.startsWith("/"))
    throw new PlyError("invalid", `invalid tmpfs mount: '${place}' mount path must be absolute`);
  const target = posix.normalize(place).replace(/(.)\/$/, "$1");
  if (target === "/") throw new PlyError("invalid", "invalid tmpfs mount: destination can't be '/'");
  const flags = new Set(["noexec", "nosuid", "nodev"]);
  const values = new Map<string, string>();
  const words = (given.options ?? "").split(",").filter((word) => word !== "");
  for (const word of words) {
    const [key = "", value] = word.split("=", 2);
    const opposite = OPPOSITES[word];
    if (opposite !== undefined) {
      flags.delete(opposite);
      flags.add(word);
    } else if (KEYS.has(key) && value) values.set(key, value);
    else throw new PlyError("invalid", `invalid tmpfs option [${JSON.stringify(word)}]`);
  }
  if (given.readOnly) flags.add("ro");
  if (given.size !== undefined) values.set("size", String(given.size));
  if (given.mode !== undefined) values.set("mode", given.mode.toString(8));
  return {
    kind: "tmpfs",
    source: "",
    target,
    readOnly: flags.has("ro"),
    propagation: "",
    noCopy: true,
    options: [...flags, ...[...values].map(([key, value]) => `${key}=${value}`)],
  };
}
