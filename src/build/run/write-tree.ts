import {
  chmodSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { TreeNode } from "../../layer/index.ts";
import type { TreePlace } from "../context/file-tree.ts";

/**
 * Writes a node of a tree, and all below it, to a path of this host that is not there yet, or into a directory that is
 * empty: for mounts. Devices and pipes are left out.
 */
export async function writeTree({ tree, path, node }: TreePlace, target: string): Promise<void> {
  mkdirSync(dirname(target), { recursive: true });
  const firstNames = new Map<TreeNode, Buffer>();
  let count = 0;
  const visit = async (from: string, each: TreeNode, to: Buffer): Promise<void> => {
    const first = firstNames.get(each);
    if (first !== undefined) return linkSync(first, to);
    if (each.type === "directory") {
      if (!existsSync(to)) mkdirSync(to, { mode: 0o700 });
      for (const [name, child] of each.children ?? [])
        await visit(from === "" ? name : `${from}/${name}`, child, below(to, name));
    } else if (each.type === "symlink") symlinkSync(Buffer.from(each.linkTarget, "latin1"), to);
    else if (each.type === "file") {
      // A tree that mounts what it reads is made ready by asking for a digest.
      await tree.digestOf(from, each);
      const descriptor = openSync(to, "wx", 0o600);
      try {
        for (const bytes of tree.read(from, each))
          for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      } finally {
        closeSync(descriptor);
      }
      firstNames.set(each, to);
    } else return;
    lchownSync(to, each.uid, each.gid);
    if (each.type !== "symlink") chmodSync(to, each.mode);
    const time = each.mtimeSeconds + each.mtimeNanos / 1e9;
    lutimesSync(to, time, time);
    if (++count % 256 === 0) await new Promise((resolve) => setImmediate(resolve));
  };
  await visit(path, node, Buffer.from(target));
}

function below(directory: Buffer, name: string): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), Buffer.from(name, "latin1")]);
}
