import type { TreeNode } from "../../layer/index.ts";
import { NO_XATTRS } from "../../tar/index.ts";

/** Files to copy from: a context, an image, a stage, a directory. */
export interface FileTree {
  /** Children are in byte order; names are byte strings. */
  readonly root: TreeNode;
  /** The content of a file, piece by piece; the bytes are valid until the next one is asked for. */
  read(path: string, node: TreeNode): Iterable<Uint8Array>;
  /** Brings here what is to be read; absent: it is. */
  ready?(): Promise<void>;
  /** What tells the content of a file from any other: its sha256 as hex. */
  digestOf(path: string, node: TreeNode): Promise<string> | string;
  /** Tells the content of a file from most others without reading it: where it came from. */
  originOf?(node: TreeNode): string;
  /** The whole tree as a directory of this host, as long as the build lasts. */
  directory?(): Promise<string>;
  /** Where it was fetched from, and what that held. */
  readonly fetched?: Material;
  /** A directory of it with its files' bytes in one file. */
  pack?(path: string, node: TreeNode): Promise<PackedTree> | PackedTree;
}

/** Something of elsewhere that a build was made of, as provenance names it (SLSA ResourceDescriptor). */
export interface Material {
  /** Without passwords. */
  readonly uri: string;
  /** `{ sha256: HEX }`, of a commit `{ sha1: HEX }`. */
  readonly digest: Readonly<Record<string, string>>;
}

/** A tree whose files' bytes lie in one file, each from a multiple of 512 on; dispose it when that is not needed any more. */
export interface PackedTree extends Disposable {
  readonly root: TreeNode;
  /** The file, and how much of it there is for this tree, a multiple of 512. */
  readonly data: { readonly path: string; readonly size: number };
}

/** A node of a tree: what a mount shows. */
export interface TreePlace {
  readonly tree: FileTree;
  readonly path: string;
  readonly node: TreeNode;
}

/** sha256 of nothing. */
export const EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** A node that no layer has yet. */
export function newNode(
  fields: Pick<TreeNode, "type" | "mode"> & Partial<Omit<TreeNode, "children">>,
): TreeNode {
  const { type, mode } = fields;
  // Spelled out: copying whatever is given takes several times as long.
  return {
    type,
    mode,
    uid: fields.uid ?? 0,
    gid: fields.gid ?? 0,
    mtimeSeconds: fields.mtimeSeconds ?? 0,
    mtimeNanos: fields.mtimeNanos ?? 0,
    size: fields.size ?? 0,
    linkTarget: fields.linkTarget ?? "",
    rdevMajor: fields.rdevMajor ?? 0,
    rdevMinor: fields.rdevMinor ?? 0,
    xattrs: fields.xattrs ?? NO_XATTRS,
    data: fields.data ?? null,
    layer: fields.layer ?? -1,
    implicit: fields.implicit ?? false,
    children: type === "directory" ? new Map() : null,
  };
}

/** Every path at and below a node, a directory before what is in it, in byte order. */
export function* walkTree(path: string, node: TreeNode): Generator<readonly [path: string, node: TreeNode]> {
  yield [path, node];
  if (node.children === null) return;
  for (const [name, child] of node.children) yield* walkTree(path === "" ? name : `${path}/${name}`, child);
}
