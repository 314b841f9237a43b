import { type FileHandle, open } from "node:fs/promises";
import type { TreeNode } from "../layer/index.ts";
import type { FileTree } from "./file-tree.ts";

/** What EROFS asks of where a file begins. */
const BLOCK_BYTES = 512;
const WRITE_BYTES = 4 * 1024 * 1024;

/** A tree whose files' bytes lie in one file, each from a multiple of 512 on. */
export interface PackedTree {
  readonly root: TreeNode;
  readonly size: number;
}

/** Writes the contents of all files of a tree to a new file, one after the other. */
export async function packTree(tree: FileTree, path: string): Promise<PackedTree> {
  await using file = await open(path, "wx", 0o600);
  const out = bufferedWriter(file);
  const packed = new Map<TreeNode, TreeNode>();
  const visit = async (from: string, node: TreeNode): Promise<TreeNode> => {
    const known = packed.get(node);
    if (known !== undefined) return known;
    if (node.children !== null) {
      const children = new Map<string, TreeNode>();
      for (const [name, child] of node.children)
        children.set(name, await visit(from === "" ? name : `${from}/${name}`, child));
      return { ...node, children };
    }
    const copy = { ...node, data: null as TreeNode["data"] };
    if (node.type === "file" && node.size > 0) {
      copy.data = { device: 0, offset: out.size() };
      for (const bytes of tree.read(from, node)) {
        const full = out.put(bytes);
        if (full) await out.flush();
      }
      out.align();
    }
    packed.set(node, copy);
    return copy;
  };
  const root = await visit("", tree.root);
  await out.flush();
  return { root, size: out.size() };
}

function bufferedWriter(file: FileHandle) {
  let pieces: Buffer[] = [];
  let held = Buffer.allocUnsafe(WRITE_BYTES);
  let used = 0;
  let total = 0;
  const put = (bytes: Uint8Array): boolean => {
    total += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, held.length - used);
      held.set(bytes.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used < held.length) continue;
      pieces.push(held);
      held = Buffer.allocUnsafe(WRITE_BYTES);
      used = 0;
    }
    return pieces.length > 0;
  };
  return {
    put,
    size: () => total,
    align: () => void put(Buffer.alloc((BLOCK_BYTES - (total % BLOCK_BYTES)) % BLOCK_BYTES)),
    async flush() {
      for (const piece of [...pieces, held.subarray(0, used)])
        for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
      pieces = [];
      used = 0;
    },
  };
}
