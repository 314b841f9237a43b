import { createHash, hash } from "node:crypto";
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import type { TreeNode } from "../../layer/index.ts";
import { type FileLook, type FileStamp, openFileLook } from "../../linux/index.ts";
import { type FileDigests, type HashedFile, isSameFile } from "./file-digests.ts";
import type { FilePool } from "./file-pool.ts";
import { EMPTY_DIGEST, type FileTree, newNode, shownPath } from "./file-tree.ts";

const O_PATH = 0o10000000;
const CHUNK_BYTES = 256 * 1024;
/** A file younger than this when it was looked at may change again within the same tick of its clock. */
const SETTLED_MS = 2000;
/** Others get their turn after so long. */
const TURN_MS = 10;
/** Files up to this size are kept from when they are hashed until they are copied, up to so much of them. */
const KEPT_FILE_BYTES = 64 * 1024;
const KEPT_BYTES = 64 * 1024 * 1024;

export interface DirectoryTreeOptions {
  /** What is left out is not read. */
  readonly ignore?: IgnoreFile;
  /** Digests that are known already. */
  readonly digests?: FileDigests;
  /** Contents that were written down already, for mounts. */
  readonly pool?: FilePool;
  /** Milliseconds since 1970; the present when absent. */
  readonly now?: number;
}

/**
 * A directory of this host as a tree, looked at now; contents are read when they are asked for. Whose the files are here
 * means nothing elsewhere: they belong to root. Sockets and devices are left out.
 */
export async function directoryTree(
  directory: string,
  options: DirectoryTreeOptions = {},
): Promise<FileTree> {
  const walk: Walk = {
    look: openFileLook(),
    inodes: new Map(),
    stamps: new Map(),
    ignore: options.ignore,
    digests: options.digests,
    turnAt: performance.now() + TURN_MS,
  };
  const settledBefore = Math.floor(((options.now ?? Date.now()) - SETTLED_MS) / 1000);
  const root = nodeAt(walk, directory, undefined);
  if (root === undefined) throw new PlyError("invalid", `${directory} is not a directory`);
  await fill(walk, root, directory, "");
  const { digests, pool } = options;
  const content = readingBelow(directory, walk);
  const stampOfSettled = (node: TreeNode): string | undefined => {
    const stamp = walk.stamps.get(node);
    if (stamp === undefined || stamp.changedSeconds >= settledBefore) return undefined;
    const { device, inodeHigh, inodeLow, size, changedSeconds, changedNanos } = stamp;
    return [device, inodeHigh, inodeLow, size, changedSeconds, changedNanos].join(":");
  };
  return {
    root,
    read: content.read,
    ...(pool === undefined
      ? {}
      : { pack: (path, node) => pool.pack({ tree: content, path, node }, stampOfSettled) }),
    digestOf(path, node) {
      const stamp = walk.stamps.get(node);
      if (digests === undefined || stamp === undefined) return content.digestOf(path, node);
      const known = "digest" in stamp ? stamp : digests.get(stamp);
      if (known !== undefined) return known.digest;
      const remember = (digest: string): string => {
        if (stamp.changedSeconds < settledBefore) digests.put(stamp, digest);
        return digest;
      };
      const digest = content.digestOf(path, node);
      return typeof digest === "string" ? remember(digest) : digest.then(remember);
    },
  };
}

interface Walk {
  readonly look: FileLook;
  /** First nodes of files with several names. */
  readonly inodes: Map<string, TreeNode>;
  /** What each file was when it was looked at; where its digest is known, as it is remembered. */
  readonly stamps: Map<TreeNode, FileStamp | HashedFile>;
  readonly ignore: IgnoreFile | undefined;
  readonly digests: FileDigests | undefined;
  /** When others are to get their turn. */
  turnAt: number;
}

/** The content of files by their paths below a directory, whose tree is known already. */
export function readingBelow(
  directory: string,
  walk?: Pick<Walk, "look" | "stamps">,
): Pick<FileTree, "read" | "digestOf"> {
  const kept = new Map<TreeNode, Buffer>();
  let keptBytes = 0;
  const open = (path: string, node: TreeNode): OpenFile => {
    const full = fullPath(directory, path);
    const stamp = walk?.stamps.get(node);
    return openFile(full, (descriptor) => {
      if (walk === undefined || stamp === undefined) return;
      walk.look.of(descriptor);
      if (!isSameFile(walk.look, stamp)) throw changed(full);
    });
  };
  return {
    read(path, node) {
      const bytes = kept.get(node);
      if (bytes === undefined) return contentOf(() => open(path, node), node.size);
      kept.delete(node);
      keptBytes -= bytes.length;
      return [bytes];
    },
    digestOf(path, node) {
      if (node.size === 0) return EMPTY_DIGEST;
      if (node.size > KEPT_FILE_BYTES) return digestOfLarge(contentOf(() => open(path, node), node.size));
      const bytes = wholeOf(open(path, node), node.size);
      if (keptBytes + bytes.length <= KEPT_BYTES && !kept.has(node)) {
        kept.set(node, bytes);
        keptBytes += bytes.length;
      }
      return hash("sha256", bytes, "hex");
    },
  };
}

async function digestOfLarge(content: Iterable<Uint8Array>): Promise<string> {
  const hashed = createHash("sha256");
  let chunks = 0;
  for (const chunk of content) {
    hashed.update(chunk);
    if (++chunks % 16 === 0) await nextTurn();
  }
  return hashed.digest("hex");
}

/** Text where it can be, which is faster. */
function fullPath(directory: string, path: string): string | Buffer {
  if (isAscii(path)) return `${directory}/${path}`;
  return Buffer.concat([Buffer.from(directory), Buffer.from(`/${path}`, "latin1")]);
}

const KINDS: ReadonlyMap<number, TreeNode["type"]> = new Map([
  [constants.S_IFDIR, "directory"],
  [constants.S_IFREG, "file"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFIFO, "fifo"],
]);

/** A directory that is being read. */
interface Place {
  readonly descriptor: number;
  /** Text where all of its names are; else bytes. */
  readonly full: string | Buffer;
}

/** Undefined for what a context cannot hold. Directories are empty yet. */
function nodeAt(
  { look, inodes, stamps, digests }: Walk,
  name: string | Buffer,
  place: Place | undefined,
): TreeNode | undefined {
  look.at(name, place?.descriptor);
  const { mode } = look;
  const type = KINDS.get(mode & constants.S_IFMT);
  if (type === undefined) return undefined;
  const isOneOfSeveral = type !== "directory" && look.links > 1;
  const inode = isOneOfSeveral ? `${look.device}:${look.inodeHigh}:${look.inodeLow}` : "";
  const known = inode === "" ? undefined : inodes.get(inode);
  if (known !== undefined) return known;
  const node = newNode({
    type,
    mode: mode & 0o7777,
    mtimeSeconds: look.modifiedSeconds,
    mtimeNanos: look.modifiedNanos,
    size: type === "file" ? look.size : 0,
    linkTarget: type === "symlink" && place !== undefined ? linkTarget(childOf(place.full, name)) : "",
  });
  if (inode !== "") inodes.set(inode, node);
  if (type === "file") stamps.set(node, digests?.get(look) ?? look.stamp());
  return node;
}

function linkTarget(full: string | Buffer): string {
  return readlinkSync(full, { encoding: "buffer" }).toString("latin1");
}

async function fill(walk: Walk, { children }: TreeNode, full: string | Buffer, path: string): Promise<void> {
  if (children === null) return;
  if (performance.now() > walk.turnAt) {
    await nextTurn();
    walk.turnAt = performance.now() + TURN_MS;
  }
  const below: { readonly node: TreeNode; readonly name: string; readonly full: string | Buffer }[] = [];
  // Relative to the open directory, each look has one name to go.
  const descriptor = openSync(full, O_PATH | constants.O_DIRECTORY);
  try {
    for (const given of namesIn(full)) {
      const name = typeof given === "string" ? given : given.toString("latin1");
      const shown = walk.ignore === undefined ? "" : shownPath(pathBelow(path, name));
      const isIgnored = walk.ignore?.isIgnored(shown) ?? false;
      if (isIgnored && !walk.ignore?.mayKeepBelow(shown)) continue;
      const node = nodeAt(walk, given, { descriptor, full });
      if (node === undefined || (isIgnored && node.children === null)) continue;
      children.set(name, node);
      if (node.children !== null) below.push({ node, name, full: childOf(full, given) });
    }
  } finally {
    closeSync(descriptor);
  }
  for (const { node, name, full: child } of below) {
    const here = pathBelow(path, name);
    await fill(walk, node, child, here);
    const isEmpty = (node.children?.size ?? 0) === 0;
    if (isEmpty && walk.ignore?.isIgnored(shownPath(here))) children.delete(name);
  }
}

function pathBelow(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

function childOf(full: string | Buffer, name: string | Buffer): string | Buffer {
  if (typeof full === "string" && typeof name === "string") return `${full}/${name}`;
  return Buffer.concat([Buffer.from(full), SLASH, Buffer.from(name)]);
}

/** What is in a directory, in the order of bytes; text when all of it is ASCII. */
function namesIn(full: string | Buffer): (string | Buffer)[] {
  const names = readdirSync(full);
  return names.every(isAscii) ? names.sort() : readdirSync(full, { encoding: "buffer" }).sort(Buffer.compare);
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

const SLASH = Buffer.from("/");

function changed(full: string | Buffer): PlyError {
  return new PlyError("conflict", `${full.toString()} changed while the build read it`, {
    hint: "build again",
  });
}

interface OpenFile extends Disposable {
  /** Fills a buffer; throws "conflict" where less is left. */
  fill(buffer: Buffer): void;
  /** Throws "conflict" when the file is not what it was when it was looked at. */
  check(): void;
}

function openFile(full: string | Buffer, check: (descriptor: number) => void): OpenFile {
  const descriptor = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  return {
    fill(buffer) {
      for (let at = 0; at < buffer.length; ) {
        const count = readSync(descriptor, buffer, at, buffer.length - at, null);
        if (count === 0) throw changed(full);
        at += count;
      }
    },
    check: () => check(descriptor),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function wholeOf(opened: OpenFile, size: number): Buffer {
  using file = opened;
  const bytes = Buffer.allocUnsafeSlow(size);
  file.fill(bytes);
  file.check();
  return bytes;
}

/** Exactly `size` bytes, piece by piece in one buffer. */
function* contentOf(open: () => OpenFile, size: number): Generator<Uint8Array> {
  if (size === 0) return;
  using file = open();
  const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK_BYTES));
  for (let left = size; left > 0; ) {
    const piece = buffer.subarray(0, Math.min(left, buffer.length));
    file.fill(piece);
    left -= piece.length;
    if (left === 0) file.check();
    yield piece;
  }
}
