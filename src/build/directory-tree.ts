import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { PlyError } from "../error.ts";
import type { TreeNode } from "../layer/index.ts";
import { EMPTY_DIGEST, type FileTree, newNode } from "./file-tree.ts";

const CHUNK_BYTES = 256 * 1024;
const NANOS = 1_000_000_000n;

/** A directory of this host as a tree, read now; contents are read when they are asked for. Sockets are left out. */
export function directoryTree(directory: string): FileTree {
  const inodes = new Map<string, TreeNode>();
  return { root: nodeAt(Buffer.from(directory), inodes), ...readingBelow(directory) };
}

/** The content of files by their paths below a directory, whose tree is known already. */
export function readingBelow(directory: string): Pick<FileTree, "read" | "digestOf"> {
  const read = (path: string, node: TreeNode) => contentAt(fullPath(directory, path), node.size);
  return {
    read,
    async digestOf(path, node) {
      if (node.size === 0) return EMPTY_DIGEST;
      const hash = createHash("sha256");
      let chunks = 0;
      for (const chunk of read(path, node)) {
        hash.update(chunk);
        // Others get their turn while a large file is read.
        if (++chunks % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return hash.digest("hex");
    },
  };
}

function fullPath(directory: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(directory), Buffer.from(`/${path}`, "latin1")]);
}

function nodeAt(full: Buffer, inodes: Map<string, TreeNode>): TreeNode {
  const stat = lstatSync(full, { bigint: true });
  const inode = `${stat.dev}:${stat.ino}`;
  const known = stat.nlink > 1n && !stat.isDirectory() ? inodes.get(inode) : undefined;
  if (known !== undefined) return known;
  const nanos = ((stat.mtimeNs % NANOS) + NANOS) % NANOS;
  const node = newNode({
    type: stat.isDirectory()
      ? "directory"
      : stat.isSymbolicLink()
        ? "symlink"
        : stat.isFIFO()
          ? "fifo"
          : "file",
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeSeconds: Number((stat.mtimeNs - nanos) / NANOS),
    mtimeNanos: Number(nanos),
    size: stat.isFile() ? Number(stat.size) : 0,
    linkTarget: stat.isSymbolicLink() ? readlinkSync(full, { encoding: "buffer" }).toString("latin1") : "",
  });
  inodes.set(inode, node);
  if (node.children !== null)
    for (const entry of readdirSync(full, { encoding: "buffer", withFileTypes: true }).sort((a, b) =>
      Buffer.compare(a.name, b.name),
    ))
      if (!entry.isSocket())
        node.children.set(
          entry.name.toString("latin1"),
          nodeAt(Buffer.concat([full, Buffer.from("/"), entry.name]), inodes),
        );
  return node;
}

/** Exactly `size` bytes: a file that changed meanwhile is an error. */
function* contentAt(full: Buffer, size: number): Generator<Uint8Array> {
  if (size === 0) return;
  const descriptor = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
    for (let left = size; left > 0; ) {
      const count = readSync(descriptor, buffer, 0, Math.min(left, buffer.length), null);
      if (count === 0) throw new PlyError("conflict", `${full.toString()} shrank while it was read`);
      yield buffer.subarray(0, count);
      left -= count;
    }
  } finally {
    closeSync(descriptor);
  }
}
