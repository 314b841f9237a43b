import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { TreeNode } from "../../layer/index.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import { createFilePool } from "../context/file-pool.ts";
import type { TreePlace } from "../context/file-tree.ts";
import type { BuilderParts } from "../parts.ts";
import { writeTree } from "./write-tree.ts";

/** Trees as directories of this host, each made once in a build; dispose it when no step has them any more. */
export interface TreeMounts extends AsyncDisposable {
  /**
   * Where the node of a tree is on this host, as it was when the build began to read it, without what ignore rules leave out. To be
   * read only. Undefined: it must be written out; a single file, or a name that is no text.
   */
  pathOf(source: TreePlace): Promise<string | undefined>;
}

export function openTreeMounts({ spool, mountTree }: Pick<BuilderParts, "spool" | "mountTree">): TreeMounts {
  const stack = new AsyncDisposableStack();
  const pool = stack.use(createFilePool(spool));
  const made = new Map<TreeNode, Promise<string>>();
  const make = async (source: TreePlace): Promise<string> => {
    const { tree, path, node } = source;
    const place = join(spool, randomUUID());
    stack.defer(() => rm(place, { recursive: true, force: true }));
    if (mountTree === undefined) {
      await writeTree(source, place);
      return place;
    }
    const { root, data } = stack.use(await (tree.pack?.(path, node) ?? pool.pack(source)));
    return stack.use(await mountTree(root, data, place)).path;
  };
  return {
    async pathOf(source) {
      const { tree, path, node } = source;
      const text = shownPath(path);
      if (byteString(text) !== path) return undefined;
      if (tree.directory !== undefined) return join(await tree.directory(), text);
      if (node.type !== "directory") return undefined;
      const known = made.get(node);
      if (known !== undefined) return known;
      const making = make(source);
      made.set(node, making);
      return making;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
