import type { ErofsNode } from "../erofs/index.ts";

/** A node of a union of layers; what EROFS writes, and where it came from. */
export interface TreeNode extends ErofsNode {
  /** Index (bottom is 0) of the layer that the node's attributes come from. */
  layer: number;
  /** True for a directory no layer has an entry for: 0755 root:root, time 0. Never overrides a real one. */
  implicit: boolean;
  children: Map<string, TreeNode> | null;
}
