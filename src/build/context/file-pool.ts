import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { TreeNode } from "../../layer/index.ts";
import { createTurns } from "../../turn.ts";
import type { FileTree, PackedTree } from "./file-tree.ts";

/** Contents of files in one file, so that a tree of them is there without a file for each; dispose it to remove that. */
export interface FilePool extends Disposable {
  /** Of a directory. `stampOf`: what changes whenever a file's content does; what is known by it is not read again. */
  pack(
    source: { readonly tree: Pick<FileTree, "read">; readonly path: string; readonly node: TreeNode },
    stampOf?: (node: TreeNode) => string | undefined,
  ): Promise<PackedTree>;
}

/** What EROFS asks of where a file begins. */
const BLOCK_BYTES = 512;
const WRITE_BYTES = 4 * 1024 * 1024;
/** Beyond this much a pool begins anew: contexts of a few large projects. */
const LIMIT_BYTES = 256 * 1024 * 1024;

interface Shelf {
  readonly path: string;
  readonly offsets: Map<string, number>;
  size: number;
  users: number;
}

export function createFilePool(directory: string): FilePool {
  const turns = createTurns();
  const newShelf = (): Shelf => ({
    path: join(directory, `pool-${randomUUID()}`),
    offsets: new Map(),
    size: 0,
    users: 0,
  });
  let shelf = newShelf();
  const remove = ({ path }: Shelf): void => rmSync(path, { force: true });
  return {
    pack: (source, stampOf = () => undefined) =>
      turns.take("", async () => {
        if (shelf.size > LIMIT_BYTES) {
          if (shelf.users === 0) remove(shelf);
          shelf = newShelf();
        }
        const mine = shelf;
        const root = await addTo(mine, source, stampOf).catch((error: unknown) => {
          // What was written of it is not where the next one would be looked for.
          if (mine.users === 0) remove(mine);
          shelf = newShelf();
          throw error;
        });
        mine.users++;
        return {
          root,
          data: { path: mine.path, size: mine.size },
          [Symbol.dispose]() {
            if (--mine.users === 0 && mine !== shelf) remove(mine);
          },
        };
      }),
    [Symbol.dispose]: () => remove(shelf),
  };
}

async function addTo(
  shelf: Shelf,
  { tree, path, node }: Parameters<FilePool["pack"]>[0],
  stampOf: (node: TreeNode) => string | undefined,
): Promise<TreeNode> {
  await using file = await open(shelf.path, "a", 0o600);
  const out = writerTo(file, shelf);
  const fresh: [stamp: string, offset: number][] = [];
  const packed = new Map<TreeNode, TreeNode>();
  const knownOffset = (each: TreeNode): number | undefined => {
    const stamp = stampOf(each);
    return stamp === undefined ? undefined : shelf.offsets.get(stamp);
  };
  const append = async (from: string, each: TreeNode): Promise<number> => {
    const offset = shelf.size;
    for (const bytes of tree.read(from, each)) {
      const isFull = out.put(bytes);
      if (isFull) await out.flush();
    }
    out.align();
    const stamp = stampOf(each);
    if (stamp !== undefined) fresh.push([stamp, offset]);
    return offset;
  };
  const visit = async (from: string, directory: TreeNode): Promise<TreeNode> => {
    const children = new Map<string, TreeNode>();
    for (const [name, child] of directory.children ?? []) {
      const here = from === "" ? name : `${from}/${name}`;
      let copy = packed.get(child);
      if (copy === undefined && child.type === "directory") copy = await visit(here, child);
      if (copy === undefined) {
        copy = { ...child, data: null };
        // Waiting for what is known would take longer than all else.
        if (child.type === "file" && child.size > 0)
          copy.data = { device: 0, offset: knownOffset(child) ?? (await append(here, child)) };
        packed.set(child, copy);
      }
      children.set(name, copy);
    }
    return { ...directory, children };
  };
  const root = await visit(path, node);
  await out.flush();
  for (const [stamp, offset] of fresh) shelf.offsets.set(stamp, offset);
  return root;
}

/** Appends to a shelf, some megabytes at a time. */
function writerTo(file: FileHandle, shelf: Shelf) {
  let full: Buffer[] = [];
  let buffer = Buffer.allocUnsafe(WRITE_BYTES);
  let used = 0;
  const put = (bytes: Uint8Array): boolean => {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, buffer.length - used);
      buffer.set(bytes.subarray(at, at + count), used);
      used += count;
      at += count;
      if (used < buffer.length) continue;
      full.push(buffer);
      buffer = Buffer.allocUnsafe(WRITE_BYTES);
      used = 0;
    }
    shelf.size += bytes.length;
    return full.length > 0;
  };
  return {
    put,
    align: () => void put(Buffer.alloc((BLOCK_BYTES - (shelf.size % BLOCK_BYTES)) % BLOCK_BYTES)),
    async flush() {
      for (const piece of [...full, buffer.subarray(0, used)])
        for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
      full = [];
      used = 0;
    },
  };
}
