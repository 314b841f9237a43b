import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TreeNode } from "../layer/index.ts";
import type { FileTree } from "./file-tree.ts";
import { packTree } from "./pack-tree.ts";
import type { BuilderParts } from "./parts.ts";
import { writeTree } from "./write-tree.ts";

/** Trees as directories of this host, each made once in a build; dispose it when no step has them any more. */
export interface TreeMounts extends AsyncDisposable {
  /** The tree as it was when the build began to read it, without what ignore rules leave out. To be read only. */
  directoryOf(tree: FileTree): Promise<string>;
}

export function openTreeMounts({ spool, mountTree }: Pick<BuilderParts, "spool" | "mountTree">): TreeMounts {
  const stack = new AsyncDisposableStack();
  const made = new Map<TreeNode, Promise<string>>();
  const make = async (tree: FileTree): Promise<string> => {
    const place = join(spool, randomUUID());
    stack.defer(() => rm(place, { recursive: true, force: true }));
    if (mountTree === undefined) {
      await writeTree({ tree, path: "", node: tree.root }, place);
      return place;
    }
    const data = tree.packed ?? `${place}.data`;
    if (tree.packed === undefined) stack.defer(() => rm(data, { force: true }));
    const root = tree.packed === undefined ? (await packTree(tree, data)).root : tree.root;
    return stack.use(await mountTree(root, data, place)).path;
  };
  return {
    directoryOf(tree) {
      if (tree.directory !== undefined) return tree.directory();
      const known = made.get(tree.root);
      if (known !== undefined) return known;
      const making = make(tree);
      made.set(tree.root, making);
      return making;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
