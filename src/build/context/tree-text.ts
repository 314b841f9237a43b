import { PlyError } from "../../error.ts";
import { resolveInTree } from "../../layer/index.ts";
import { byteString } from "../../tar/index.ts";
import type { FileTree } from "./file-tree.ts";

/** Far above any Dockerfile or ignore file that people write. */
export const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** A Dockerfile or an ignore file of a tree; undefined: there is no such file. Throws "limit" for a longer one. */
export function readTreeText(tree: FileTree, path: string): string | undefined {
  const { node, path: real } = resolveInTree(tree.root, byteString(path));
  if (node?.type !== "file") return undefined;
  if (node.size > MAX_TEXT_BYTES)
    throw new PlyError("limit", `${path} has ${node.size} bytes, more than ${MAX_TEXT_BYTES}`);
  const chunks: Buffer[] = [];
  for (const bytes of tree.read(real, node)) chunks.push(Buffer.from(bytes));
  return Buffer.concat(chunks).toString("utf8");
}
