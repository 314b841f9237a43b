import { createHash } from "node:crypto";
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import type { IgnoreFile } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import type { TreeNode } from "../layer/index.ts";
import type { FileDigests } from "./file-digests.ts";
import { EMPTY_DIGEST, type FileTree, newNode, shownPath } from "./file-tree.ts";

const CHUNK_BYTES = 256 * 1024;
const NANOS = 1_000_000_000n;
/** A file younger than this when it was looked at may change again within the same tick of its clock. */
const SETTLED_NS = 2_000_000_000n;

export interface DirectoryTreeOptions {
  /** What is left out is not read. */
  readonly ignore?: IgnoreFile;
  /** Digests that are known already. */
  readonly digests?: FileDigests;
}

/**
 * A directory of this host as a tree, looked at now; contents are read when they are asked for. Whose the files are here
 * means nothing elsewhere: they belong to root. Sockets are left out.
 */
export function directoryTree(directory: string, options: DirectoryTreeOptions = {}): FileTree {
  const walk: Walk = {
    inodes: new Map(),
    stamps: new Map(),
    ignore: options.ignore,
    now: BigInt(Date.now()) * 1_000_000n,
  };
  const root = nodeAt(walk, Buffer.from(directory), "");
  const { digests } = options;
  const reading = readingBelow(directory, (node) => walk.stamps.get(node));
  return {
    root,
    read: reading.read,
    digestOf(path, node) {
      const stamp = walk.stamps.get(node);
      const known = stamp === undefined ? undefined : digests?.get(stamp);
      if (known !== undefined) return known;
      return Promise.resolve(reading.digestOf(path, node)).then((digest) => {
        if (stamp !== undefined && !stamp.endsWith(UNSETTLED)) digests?.put(stamp, digest);
        return digest;
      });
    },
  };
}

const UNSETTLED = " unsettled";

interface Walk {
  readonly inodes: Map<string, TreeNode>;
  /** What each file was when it was looked at. */
  readonly stamps: Map<TreeNode, string>;
  readonly ignore: IgnoreFile | undefined;
  readonly now: bigint;
}

/** The content of files by their paths below a directory, whose tree is known already. */
export function readingBelow(
  directory: string,
  stampOf: (node: TreeNode) => string | undefined = () => undefined,
): Pick<FileTree, "read" | "digestOf"> {
  const read = (path: string, node: TreeNode) =>
    contentAt(fullPath(directory, path), node.size, stampOf(node)?.replace(UNSETTLED, ""));
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

function nodeAt(walk: Walk, full: Buffer, path: string, stat = lstatSync(full, { bigint: true })): TreeNode {
  const inode = `${stat.dev}:${stat.ino}`;
  const known = stat.nlink > 1n && !stat.isDirectory() ? walk.inodes.get(inode) : undefined;
  if (known !== undefined) return known;
  const nanos = ((stat.mtimeNs % NANOS) + NANOS) % NANOS;
  const node = newNode({
    type: typeOf(stat),
    mode: Number(stat.mode & 0o7777n),
    mtimeSeconds: Number((stat.mtimeNs - nanos) / NANOS),
    mtimeNanos: Number(nanos),
    size: stat.isFile() ? Number(stat.size) : 0,
    linkTarget: stat.isSymbolicLink() ? readlinkSync(full, { encoding: "buffer" }).toString("latin1") : "",
  });
  if (stat.nlink > 1n) walk.inodes.set(inode, node);
  if (stat.isFile()) {
    const isSettled = walk.now - stat.ctimeNs > SETTLED_NS;
    walk.stamps.set(node, stampOf(stat) + (isSettled ? "" : UNSETTLED));
  }
  if (node.children !== null) fill(walk, node.children, full, path);
  return node;
}

function typeOf(stat: BigIntStats): TreeNode["type"] {
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  return stat.isFIFO() ? "fifo" : "file";
}

function fill(walk: Walk, children: Map<string, TreeNode>, full: Buffer, path: string): void {
  const names = readdirSync(full, { encoding: "buffer" });
  for (const bytes of names.sort(Buffer.compare)) {
    const child = Buffer.concat([full, SLASH, bytes]);
    const stat = lstatSync(child, { bigint: true });
    if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink() && !stat.isFIFO()) continue;
    const name = bytes.toString("latin1");
    const here = path === "" ? name : `${path}/${name}`;
    const isIgnored = walk.ignore?.isIgnored(shownPath(here)) ?? false;
    if (isIgnored && !(stat.isDirectory() && walk.ignore?.mayKeepBelow(shownPath(here)))) continue;
    const node = nodeAt(walk, child, here, stat);
    if (!isIgnored || (node.children?.size ?? 0) > 0) children.set(name, node);
  }
}

const SLASH = Buffer.from("/");

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** Exactly `size` bytes; a file that is not what it was when it was looked at is an error. */
function* contentAt(full: Buffer, size: number, stamp: string | undefined): Generator<Uint8Array> {
  if (size === 0) return;
  const changed = () =>
    new PlyError("conflict", `${full.toString()} changed while the build read it`, { hint: "build again" });
  const descriptor = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
    for (let left = size; left > 0; ) {
      const count = readSync(descriptor, buffer, 0, Math.min(left, buffer.length), null);
      if (count === 0) throw changed();
      left -= count;
      if (left === 0 && stamp !== undefined && stampOf(fstatSync(descriptor, { bigint: true })) !== stamp)
        throw changed();
      yield buffer.subarray(0, count);
    }
  } finally {
    closeSync(descriptor);
  }
}
