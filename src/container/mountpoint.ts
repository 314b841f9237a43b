import {
  closeSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { PlyError } from "../error.ts";
import { utimensNs } from "../linux/index.ts";
import { resolveInRoot } from "../runtime/index.ts";

/**
 * A place that had to be made in a container's root for something to be mounted on. It is no change the
 * container made: it is taken away again when the container has stopped.
 */
export interface Mountpoint {
  /** Relative to the root, links resolved: `etc/hosts`. */
  readonly path: string;
  readonly kind: "file" | "directory";
  /** Of the directory it was made in, in nanoseconds since 1970, as text. */
  readonly parentMtimeNs: string;
}

/** Makes what is missing of one mount's place, and its directories, `owner`'s else ours. Nothing inside may run. */
export function makeMountpoint(
  root: string,
  target: string,
  kind: Mountpoint["kind"],
  owner?: { readonly uid: number; readonly gid: number },
): Mountpoint[] {
  const made: Mountpoint[] = [];
  const full = resolveInRoot(root, target);
  const parts = full.slice(root.length + 1).split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = parts.slice(0, depth).join("/");
    const place = join(root, path);
    const isLast = depth === parts.length;
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat !== undefined) {
      if (!isLast && !stat.isDirectory())
        throw new PlyError("invalid", `cannot mount at ${target}: /${path} is not a directory`);
      if (isLast && stat.isDirectory() !== (kind === "directory"))
        throw new PlyError(
          "invalid",
          `cannot mount a ${kind} at ${target}: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
        );
      continue;
    }
    const parent = dirname(place);
    const { mtimeNs, atimeNs } = statSync(parent, { bigint: true });
    const makeFile = isLast && kind === "file";
    if (makeFile) closeSync(openSync(place, "wx", 0o755));
    else mkdirSync(place, { mode: 0o755 });
    if (owner !== undefined) lchownSync(place, owner.uid, owner.gid);
    utimensNs(parent, atimeNs, mtimeNs);
    made.push({ path, kind: makeFile ? "file" : "directory", parentMtimeNs: String(mtimeNs) });
  }
  return made;
}

/** Takes mountpoints out of an unmounted writable layer, where they are still as they were made. */
export function removeMountpoints(upper: string, made: readonly Mountpoint[]): void {
  // The container may have put a link in the way.
  const reachable = made.filter(({ path }) => resolveInRoot(upper, path) === join(upper, path));
  for (const { path, kind, parentMtimeNs } of untouchedMountpoints(upper, reachable)) {
    const place = join(upper, path);
    const parent = dirname(place);
    const { mtimeNs, atimeNs } = statSync(parent, { bigint: true });
    if (kind === "file") unlinkSync(place);
    else rmdirSync(place);
    if (String(mtimeNs) === parentMtimeNs) utimensNs(parent, atimeNs, mtimeNs);
  }
}

/** Those of the mountpoints that are still the empty things that were made; a directory may hold others of them. */
export function untouchedMountpoints(upper: string, made: readonly Mountpoint[]): Mountpoint[] {
  const untouched = new Map<string, Mountpoint>();
  for (const mountpoint of [...made].reverse()) {
    const { path, kind } = mountpoint;
    const stat = lstatSync(join(upper, path), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const isAsMade =
      kind === "file"
        ? stat.isFile() && stat.size === 0
        : stat.isDirectory() &&
          readdirSync(join(upper, path)).every((name) => untouched.has(`${path}/${name}`));
    if (isAsMade) untouched.set(path, mountpoint);
  }
  return [...untouched.values()];
}
