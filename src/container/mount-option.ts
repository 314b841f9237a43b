import { posix } from "node:path";
import { PlyError } from "../error.ts";
import type { ContainerMount } from "./containers.ts";

const PROPAGATIONS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);
/** Accepted and without meaning here: labels of SELinux, and what Docker Desktop took. */
const IGNORED = new Set(["z", "Z", "cached", "consistent", "delegated"]);

/** A mount as asked for; a volume without a name is an anonymous one, yet to be made. */
export type WantedMount = Omit<ContainerMount, "source"> & { readonly source: string | null };

/** Docker's `-v`: `/host:/in[:opts]`, `name:/in[:opts]`, `/in`. Throws "invalid" in Docker's words. */
export function parseBind(text: string): WantedMount {
  const parts = text.split(":");
  const wrong = (why: string) => new PlyError("invalid", `invalid volume specification: '${text}': ${why}`);
  const [first = "", second, options, ...more] = parts;
  if (more.length > 0) throw wrong("too many colons");
  const target = second === undefined ? first : second;
  if (!target.startsWith("/")) throw wrong("the path in the container must be absolute");
  const clean = posix.normalize(target).replace(/(.)\/$/, "$1");
  if (clean === "/") throw wrong("destination can't be '/'");
  const isBind = second !== undefined && first.startsWith("/");
  if (second !== undefined && first === "") throw wrong("no source");
  if (second !== undefined && !isBind && first.includes("/"))
    throw wrong("the source must be an absolute path or the name of a volume");
  let readOnly = false;
  let noCopy = false;
  let propagation = "rprivate";
  for (const option of options === undefined ? [] : options.split(",")) {
    if (option === "ro") readOnly = true;
    else if (option === "nocopy" && !isBind) noCopy = true;
    else if (PROPAGATIONS.has(option) && isBind) propagation = option;
    else if (option !== "rw" && !IGNORED.has(option)) throw wrong(`invalid mode: ${option}`);
  }
  const source =
    second === undefined ? null : isBind ? posix.normalize(first).replace(/(.)\/$/, "$1") : first;
  return { kind: isBind ? "bind" : "volume", source, target: clean, readOnly, propagation, noCopy };
}

/** All that was asked for, the image's volumes where nothing else lies. Throws "invalid" for two at one place. */
export function wantedMounts(binds: readonly string[], imageVolumes: readonly string[]): WantedMount[] {
  const mounts = new Map<string, WantedMount>();
  for (const bind of binds) {
    const mount = parseBind(bind);
    if (mounts.has(mount.target)) throw new PlyError("invalid", `Duplicate mount point: ${mount.target}`);
    mounts.set(mount.target, mount);
  }
  for (const target of imageVolumes) {
    const mount = parseBind(posix.join("/", target));
    if (!mounts.has(mount.target)) mounts.set(mount.target, mount);
  }
  return [...mounts.values()];
}
