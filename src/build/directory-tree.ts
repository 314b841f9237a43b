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
 * means nothing elsewhere: they belong to root. Sockets and devices are left out.
 */
export function directoryTree(directory: string, options: DirectoryTreeOptions = {}): FileTree {
  const walk: Walk = { inodes: new Map(), stats: new Map(), ignore: options.ignore };
  const root = nodeAt(walk, directory, "");
  if (root === undefined) throw new PlyError("invalid", `${directory} is not a directory`);
  const { digests } = options;
  const settledBefore = BigInt(Date.now()) * 1_000_000n - SETTLED_NS;
  const { read, digestOf } = readingBelow(directory, (node) => walk.stats.get(node));
  return {
    root,
    read,
    digestOf(path, node) {
      const stat = walk.stats.get(node);
      if (digests === undefined || stat === undefined) return digestOf(path, node);
      const stamp = stampOf(stat);
      const known = digests.get(stamp);
      if (known !== undefined) return known;
      return Promise.resolve(digestOf(path, node)).then((digest) => {
        if (stat.ctimeNs < settledBefore) digests.put(stamp, digest);
        return digest;
      });
    },
  };
}

interface Walk {
  readonly inodes: Map<string, TreeNode>;
  /** What each file was when it was looked at. */
  readonly stats: Map<TreeNode, BigIntStats>;
  readonly ignore: IgnoreFile | undefined;
}

/** The content of files by their paths below a directory, whose tree is known already. */
export function readingBelow(
  directory: string,
  statOf: (node: TreeNode) => BigIntStats | undefined = () => undefined,
): Pick<FileTree, "read" | "digestOf"> {
  const read = (path: string, node: TreeNode) =>
    contentAt(fullPath(directory, path), node.size, statOf(node));
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

const KINDS: ReadonlyMap<number, TreeNode["type"]> = new Map([
  [constants.S_IFDIR, "directory"],
  [constants.S_IFREG, "file"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFIFO, "fifo"],
]);

/** `full` is text where all of its names are, which is faster; else bytes. Undefined for what a context cannot hold. */
function nodeAt(walk: Walk, full: string | Buffer, path: string): TreeNode | undefined {
  const stat = lstatSync(full, { bigint: true });
  const mode = Number(stat.mode);
  const type = KINDS.get(mode & constants.S_IFMT);
  if (type === undefined) return undefined;
  const inode = stat.nlink > 1n && type !== "directory" ? `${stat.dev}:${stat.ino}` : "";
  const known = inode === "" ? undefined : walk.inodes.get(inode);
  if (known !== undefined) return known;
  const nanos = Number(((stat.mtimeNs % NANOS) + NANOS) % NANOS);
  const node = newNode({
    type,
    mode: mode & 0o7777,
    mtimeSeconds: Number((stat.mtimeNs - BigInt(nanos)) / NANOS),
    mtimeNanos: nanos,
    size: type === "file" ? Number(stat.size) : 0,
    linkTarget: type === "symlink" ? readlinkSync(full, { encoding: "buffer" }).toString("latin1") : "",
  });
  if (inode !== "") walk.inodes.set(inode, node);
  if (type === "file") walk.stats.set(node, stat);
  if (node.children !== null) fill(walk, node.children, full, path);
  return node;
}

function fill(walk: Walk, children: Map<string, TreeNode>, full: string | Buffer, path: string): void {
  for (const bytes of readdirSync(full, { encoding: "buffer" }).sort(Buffer.compare)) {
    const text = bytes.toString("utf8");
    const isText = !text.includes("\uFFFD");
    const child =
      isText && typeof full === "string"
        ? `${full}/${text}`
        : Buffer.concat([Buffer.from(full), SLASH, bytes]);
    const name = isText && text.length === bytes.length ? text : bytes.toString("latin1");
    const here = path === "" ? name : `${path}/${name}`;
    const shown = walk.ignore === undefined ? "" : shownPath(here);
    const isIgnored = walk.ignore?.isIgnored(shown) ?? false;
    if (isIgnored && !walk.ignore?.mayKeepBelow(shown)) continue;
    const node = nodeAt(walk, child, here);
    if (node === undefined) continue;
    if (!isIgnored || (node.children?.size ?? 0) > 0) children.set(name, node);
  }
}

const SLASH = Buffer.from("/");

/** A file whose content or attributes change gets another ctime. */
function stampOf({ dev, ino, size, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${ctimeNs}`;
}

/** Exactly `size` bytes; a file that is not what it was when it was looked at is an error. */
function* contentAt(full: Buffer, size: number, stat: BigIntStats | undefined): Generator<Uint8Array> {
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
      if (
        left === 0 &&
        stat !== undefined &&
        stampOf(fstatSync(descriptor, { bigint: true })) !== stampOf(stat)
      )
        throw changed();
      yield buffer.subarray(0, count);
    }
  } finally {
    closeSync(descriptor);
  }
}
