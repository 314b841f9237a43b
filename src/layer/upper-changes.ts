import { sameXattrs } from "./changes.ts";
import { lookup } from "./lookup.ts";
import { joinPath, parentOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";
import {
  deviceOf,
  hasAttributesOf,
  keptXattrs,
  mtimeOf,
  targetOf,
  typeOf,
  type UpperItem,
  walkUpper,
} from "./upper.ts";

/** One line of `docker diff`. */
export interface PathChange {
  /** A byte string. */
  readonly path: string;
  readonly kind: "added" | "modified" | "deleted";
}

/**
 * What an upper directory changes of the union below it, sorted by path, as `docker diff` tells it: a directory
 * with changes inside is itself "modified", of a deleted directory only its top is named, and a file that was
 * copied up with the same metadata is no change. The root is left out.
 */
export function changesOfUpper(
  upperDir: string,
  base: TreeNode | null,
  options: { readonly signal?: AbortSignal } = {},
): PathChange[] {
  const kinds = new Map<string, PathChange["kind"]>();
  const shown = new Set<string>();
  /** Directories of the upper that stand in front of one below instead of merging with it. */
  const replaced: [path: string, below: TreeNode][] = [];
  for (const item of walkUpper(upperDir, base, options.signal)) {
    const { path } = item;
    const below = item.base ?? (base === null ? undefined : lookup(base, path));
    shown.add(path);
    if (below?.children != null && item.stat.isDirectory() && (item.kind === "opaque" || item.base !== below))
      replaced.push([path, below]);
    if (path === "" || item.kind === "opaque") continue;
    // What no layer can hold is still a change that one may want to see.
    if (item.kind === "whiteout") kinds.set(path, "deleted");
    else if (below === undefined) kinds.set(path, "added");
    else if (!isSame(item, below)) kinds.set(path, "modified");
  }
  for (const [path, below] of replaced)
    for (const name of below.children?.keys() ?? []) {
      const hidden = joinPath(path, name);
      if (!shown.has(hidden)) kinds.set(hidden, "deleted");
    }
  for (const path of [...kinds.keys()])
    for (let parent = parentOf(path); parent !== "" && !kinds.has(parent); parent = parentOf(parent))
      kinds.set(parent, "modified");
  return [...kinds].map(([path, kind]) => ({ path, kind })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Whether a program that only asks for metadata would see a difference; a directory's time is not looked at. */
function isSame(item: UpperItem, below: TreeNode): boolean {
  const { stat } = item;
  if (typeOf(stat) !== below.type || !hasAttributesOf(stat, below)) return false;
  if (!sameXattrs(item.xattrs, keptXattrs(below.xattrs))) return false;
  if (below.type === "directory") return true;
  const { mtimeSeconds, mtimeNanos } = mtimeOf(stat);
  if (mtimeSeconds !== below.mtimeSeconds || mtimeNanos !== below.mtimeNanos) return false;
  if (below.type === "file") return Number(stat.size) === below.size;
  if (below.type === "symlink") return targetOf(item.full) === below.linkTarget;
  const { major, minor } = deviceOf(stat);
  return major === below.rdevMajor && minor === below.rdevMinor;
}
