import { joinPath } from "./path.ts";
import type { TreeNode } from "./tree.ts";

/** What differs of a path that both trees have. `link` is a symlink's target, `device` a device's number. */
export type ChangeAspect = "type" | "content" | "mode" | "owner" | "mtime" | "xattr" | "link" | "device";

export interface TreeChange {
  /** A byte string; the root is "". */
  readonly path: string;
  readonly kind: "added" | "deleted" | "modified";
  /** Empty unless modified. "type" comes alone. */
  readonly aspects: readonly ChangeAspect[];
  readonly before: TreeNode | undefined;
  readonly after: TreeNode | undefined;
}

export interface ChangesOptions {
  /**
   * Whether two files of the same size hold the same bytes; the caller can read them, or knows that they are one
   * place in one layer. Absent: files of the same size and time count as the same.
   */
  readonly sameContent?: (before: TreeNode, after: TreeNode) => boolean;
}

/**
 * What turns the tree `before` into `after`, in byte order, a directory before what is in it. Everything below an
 * added or deleted directory is listed too; a file in place of a directory is "modified" (type), its former children
 * are "deleted". Hard link groups are not compared: each name counts for itself.
 */
export function changesBetween(
  before: TreeNode,
  after: TreeNode,
  options: ChangesOptions = {},
): TreeChange[] {
  const changes: TreeChange[] = [];
  comparePair("", before, after, options, changes);
  return changes;
}

function comparePair(
  path: string,
  before: TreeNode | undefined,
  after: TreeNode | undefined,
  options: ChangesOptions,
  changes: TreeChange[],
): void {
  if (before === undefined) changes.push({ path, kind: "added", aspects: [], before, after });
  else if (after === undefined) changes.push({ path, kind: "deleted", aspects: [], before, after });
  else if (before !== after) {
    const aspects = aspectsOf(before, after, options);
    if (aspects.length > 0) changes.push({ path, kind: "modified", aspects, before, after });
  }
  const old = before?.children ?? null;
  const now = after?.children ?? null;
  if (old === null && now === null) return;
  for (const name of mergedNames(old, now))
    comparePair(joinPath(path, name), old?.get(name), now?.get(name), options, changes);
}

function mergedNames(old: TreeNode["children"], now: TreeNode["children"]): string[] {
  const names = new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])]);
  return [...names].sort();
}

/** What tells two things at one path apart: nodes of trees, or entries of layers. */
type Comparable = Omit<TreeNode, "type" | "data" | "layer" | "implicit" | "children"> & {
  readonly type: string;
};

/** How two nodes at one path differ, children aside. */
export function aspectsOf<Node extends Comparable>(
  before: Node,
  after: Node,
  options: { readonly sameContent?: (before: Node, after: Node) => boolean } = {},
): ChangeAspect[] {
  if (before.type !== after.type) return ["type"];
  const aspects: ChangeAspect[] = [];
  const sameTime = before.mtimeSeconds === after.mtimeSeconds && before.mtimeNanos === after.mtimeNanos;
  if (before.type === "file") {
    const same = before.size === after.size && (options.sameContent?.(before, after) ?? sameTime);
    if (!same) aspects.push("content");
  }
  if (before.linkTarget !== after.linkTarget) aspects.push("link");
  if (before.rdevMajor !== after.rdevMajor || before.rdevMinor !== after.rdevMinor) aspects.push("device");
  if (before.mode !== after.mode) aspects.push("mode");
  if (before.uid !== after.uid || before.gid !== after.gid) aspects.push("owner");
  if (!sameTime) aspects.push("mtime");
  if (!sameXattrs(before.xattrs, after.xattrs)) aspects.push("xattr");
  return aspects;
}

/** True when both hold the same names with the same values, in whatever order. */
export function sameXattrs(
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): boolean {
  if (before.size !== after.size) return false;
  for (const [name, value] of before) {
    const other = after.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}
