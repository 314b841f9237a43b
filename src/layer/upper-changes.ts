import { fileTypeOf } from "../linux/index.ts";
import { type ChangeAspect, sameXattrs } from "./changes.ts";
import { lookup } from "./lookup.ts";
import { joinPath, parentOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";
import {
  deviceOf,
  keptXattrs,
  mtimeOf,
  targetOf,
  type UpperDirs,
  type UpperItem,
  walkUpper,
} from "./upper.ts";

/** One line of `docker diff`. */
export interface PathChange {
  /** A byte string. */
  readonly path: string;
  readonly kind: "added" | "modified" | "deleted";
  /**
   * Of a modified path: how; "content" of a file with another size or time. Empty: only what is below it changed. A directory's
   * time is not looked at.
   */
  readonly aspects: readonly ChangeAspect[];
  readonly type: TreeNode["type"];
  /** Bytes of a file below and in the upper directory; null where there is none. */
  readonly sizeBefore: number | null;
  readonly sizeAfter: number | null;
}

/**
 * What an upper directory changes of the union below it, sorted by path, as `docker diff` tells it: a directory
 * with changes inside is itself "modified", of a deleted directory only its top is named, and a file that was
 * copied up with the same metadata is no change. The root is left out.
 */
export function changesOfUpper(
  upperDirs: UpperDirs,
  base: TreeNode | null,
  options: { readonly signal?: AbortSignal } = {},
): PathChange[] {
  const kinds = new Map<string, Omit<PathChange, "path">>();
  const shown = new Set<string>();
  /** Directories of the upper that stand in front of one below instead of merging with it. */
  const replaced: [path: string, below: TreeNode][] = [];
  for (const item of walkUpper(upperDirs, base, options.signal)) {
    const { path } = item;
    const below = item.base ?? (base === null ? undefined : lookup(base, path));
    shown.add(path);
    if (below?.children != null && item.stat.isDirectory() && (item.kind === "opaque" || item.base !== below))
      replaced.push([path, below]);
    if (path === "" || item.kind === "opaque") continue;
    // What no layer can hold is still a change that one may want to see.
    if (item.kind === "whiteout") {
      if (below !== undefined) kinds.set(path, deletion(below));
    } else {
      const sizes = { sizeBefore: below === undefined ? null : sizeOf(below), sizeAfter: sizeAfter(item) };
      const type = fileTypeOf(item.stat);
      const aspects = below === undefined ? [] : aspectsOf(item, below);
      if (below === undefined) kinds.set(path, { kind: "added", aspects, type, ...sizes });
      else if (aspects.length > 0) kinds.set(path, { kind: "modified", aspects, type, ...sizes });
    }
  }
  for (const [path, below] of replaced)
    for (const [name, child] of below.children ?? []) {
      const hidden = joinPath(path, name);
      if (!shown.has(hidden)) kinds.set(hidden, deletion(child));
    }
  for (const path of [...kinds.keys()])
    for (let parent = parentOf(path); parent !== "" && !kinds.has(parent); parent = parentOf(parent))
      kinds.set(parent, PASSED_THROUGH);
  return [...kinds].map(([path, change]) => ({ path, ...change })).sort((a, b) => (a.path < b.path ? -1 : 1));
}

const PASSED_THROUGH: Omit<PathChange, "path"> = {
  kind: "modified",
  aspects: [],
  type: "directory",
  sizeBefore: null,
  sizeAfter: null,
};

function deletion(below: TreeNode): Omit<PathChange, "path"> {
  return { kind: "deleted", aspects: [], type: below.type, sizeBefore: sizeOf(below), sizeAfter: null };
}

function sizeOf({ type, size }: TreeNode): number | null {
  return type === "file" ? size : null;
}

function sizeAfter({ stat }: UpperItem): number | null {
  return stat.isFile() ? Number(stat.size) : null;
}

/** What a program that only asks for metadata would see; a directory's time is not looked at. */
function aspectsOf(item: UpperItem, below: TreeNode): ChangeAspect[] {
  const { stat } = item;
  if (fileTypeOf(stat) !== below.type) return ["type"];
  const aspects: ChangeAspect[] = [];
  const { mtimeSeconds, mtimeNanos } = mtimeOf(stat);
  const isSameTime = mtimeSeconds === below.mtimeSeconds && mtimeNanos === below.mtimeNanos;
  if (below.type === "file" && (!isSameTime || Number(stat.size) !== below.size)) aspects.push("content");
  if (below.type === "symlink" && targetOf(item.full) !== below.linkTarget) aspects.push("link");
  const { major, minor } = deviceOf(stat);
  const isDevice = below.type === "char" || below.type === "block";
  if (isDevice && (major !== below.rdevMajor || minor !== below.rdevMinor)) aspects.push("device");
  if (Number(stat.mode & 0o7777n) !== below.mode) aspects.push("mode");
  if (Number(stat.uid) !== below.uid || Number(stat.gid) !== below.gid) aspects.push("owner");
  if (below.type !== "directory" && !isSameTime) aspects.push("mtime");
  if (!sameXattrs(item.xattrs, keptXattrs(below.xattrs))) aspects.push("xattr");
  return aspects;
}
