import { PlyError } from "../error.ts";
import { quoteBytes } from "../tar/index.ts";
import type { TreeNode } from "./tree.ts";

/** As the kernel's MAXSYMLINKS. */
const MAX_SYMLINKS = 40;

/**
 * The node at a path; symlinks are not followed, not even those on the way. `path` is a byte string; leading,
 * doubled and trailing slashes and `.` are ignored, a `..` finds nothing.
 */
export function lookup(tree: TreeNode, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = tree;
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    node = node?.children?.get(name);
  }
  return node;
}

/** Where a path leads once its symlinks are followed, as if `tree` were the root of the process (chroot). */
export interface ResolvedPath {
  /** Canonical path, a byte string without symlinks; the root is "". */
  readonly path: string;
  /** Undefined: nothing is there (yet); `path` says where it would be. */
  readonly node: TreeNode | undefined;
  /** Names looked at, link targets included: what it cost. */
  readonly steps: number;
}

/**
 * Follows symlinks, the last component's included, without ever leaving the tree: absolute targets begin at its
 * root, `..` stops there. Throws "invalid" when there are more than 40.
 */
export function resolveInTree(tree: TreeNode, path: string): ResolvedPath {
  const names: string[] = [];
  const nodes: (TreeNode | undefined)[] = [tree];
  const todo = path.split("/").reverse();
  let followed = 0;
  let steps = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    steps++;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (names.pop() !== undefined) nodes.pop();
      continue;
    }
    const node = nodes.at(-1)?.children?.get(name);
    if (node?.type === "symlink") {
      if (++followed > MAX_SYMLINKS)
        throw new PlyError("invalid", `${quoteBytes(path)}: more than ${MAX_SYMLINKS} symlinks on the way`);
      if (node.linkTarget.startsWith("/")) {
        names.length = 0;
        nodes.length = 1;
      }
      todo.push(...node.linkTarget.split("/").reverse());
      continue;
    }
    names.push(name);
    nodes.push(node);
  }
  return { path: names.join("/"), node: nodes.at(-1), steps };
}
