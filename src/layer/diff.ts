import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { codeOf, PlyError, throwIfAborted } from "../error.ts";
import { quoteBytes, TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../tar/index.ts";
import { sameXattrs } from "./changes.ts";
import { OPAQUE_MARKER, WHITEOUT_PREFIX } from "./from-tar.ts";
import { joinPath, nameOf, parentOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";
import {
  deviceOf,
  hasAttributesOf,
  isSameDirectory,
  keptXattrs,
  mtimeOf,
  targetOf,
  type UpperDirs,
  type UpperItem,
  unlessGone,
  walkUpper,
} from "./upper.ts";

/** Bytes read from a file at once, and gathered from small entries before they are handed on. */
const CHUNK_LENGTH = 256 * 1024;
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface DiffOptions {
  /** The union below the upper directory; null: nothing is below. */
  readonly base: TreeNode | null;
  readonly signal?: AbortSignal;
  /** Paths (byte strings) that are left out with all below them, and no directory goes in for their sake. */
  readonly without?: ReadonlySet<string>;
  /** Members of an archive without its end, which follow the changes. */
  readonly more?: AsyncIterable<Uint8Array>;
  /** Told of what could not go into the layer as it is: a socket, a file that shrank while it was read. */
  readonly onNotice?: (message: string) => void;
}

/**
 * The layer (an uncompressed tar) that an overlayfs upper directory is: whiteouts as `.wh.NAME`, opaque
 * directories as `.wh..wh..opq`, hard links within the upper directory as such, times with nanoseconds,
 * extended attributes and capabilities (but no security labels, which are this host's). The same directory gives the same bytes.
 *
 * Everything in the upper directory goes in, also files copied up and then left as they were; not so directories
 * that only lead to nothing new. Directories that lead to changes go in with their attributes, as Docker has it.
 * The root itself goes in when its mode, owner or attributes differ from the base's. Sockets and names that begin with `.wh.` are left out.
 *
 * Streams: files are read piece by piece. A file that vanishes is left out, one that grows is cut, one that shrinks is
 * padded with zeros. Throws "unsupported" (see walkUpper), "cancelled", and what the file system says.
 */
export async function* diffUpper(
  upperDirs: UpperDirs,
  options: DiffOptions,
): AsyncGenerator<Uint8Array, void> {
  const { base, signal, onNotice } = options;
  const firstNames = new Map<string, string>();
  /** Unchanged directories on the way to where the walk is, not yet written. */
  let pending: UpperItem[] = [];
  let gathered: Uint8Array[] = [];
  let gatheredLength = 0;
  const gather = (...pieces: readonly Uint8Array[]): void => {
    for (const piece of pieces) {
      gathered.push(piece);
      gatheredLength += piece.length;
    }
  };
  const flush = (): Uint8Array => {
    const chunk = Buffer.concat(gathered, gatheredLength);
    gathered = [];
    gatheredLength = 0;
    return chunk;
  };

  for (const item of walkUpper(upperDirs, base, signal)) {
    if (isLeftOut(item.path, options)) continue;
    pending = pending.filter((directory) => isBelow(item.path, directory.path));
    if (item.kind === "hidden") {
      const why = item.stat.isSocket() ? "it is a socket" : "its name is that of a whiteout";
      onNotice?.(`${quoteBytes(item.path)} is left out: ${why}`);
      continue;
    }
    if (item.kind === "entry" && isUnchangedDirectory(item, base)) {
      if (item.path !== "") pending.push(item);
      continue;
    }
    for (const directory of pending) gather(tarHeader(fieldsOf(directory, firstNames)));
    pending = [];
    if (item.kind !== "entry" || !item.stat.isFile()) {
      const fields = unlessGone(() => fieldsOf(item, firstNames));
      if (fields !== undefined) gather(tarHeader(fields));
    } else if (firstNames.has(inodeOf(item))) gather(tarHeader(fieldsOf(item, firstNames)));
    else {
      for await (const chunk of fileParts(item, firstNames, options)) {
        gather(chunk);
        if (gatheredLength >= CHUNK_LENGTH) yield flush();
      }
    }
    if (gatheredLength >= CHUNK_LENGTH) yield flush();
  }
  if (options.more !== undefined) {
    yield flush();
    yield* options.more;
  }
  gather(TAR_END);
  yield flush();
}

function isLeftOut(path: string, { without = new Set() }: DiffOptions): boolean {
  if (without.size === 0) return false;
  for (let here = path; here !== ""; here = parentOf(here)) if (without.has(here)) return true;
  return false;
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`) || path === directory;
}

function isUnchangedDirectory(item: UpperItem, base: TreeNode | null): boolean {
  if (item.path !== "") return isSameDirectory(item);
  // The root's time changes with every container; nobody means it.
  return (
    base === null || (hasAttributesOf(item.stat, base) && sameXattrs(item.xattrs, keptXattrs(base.xattrs)))
  );
}

/** Header, data and padding of a regular file; nothing when it has vanished. */
async function* fileParts(
  item: UpperItem,
  firstNames: Map<string, string>,
  { signal, onNotice }: DiffOptions,
): AsyncGenerator<Uint8Array, void> {
  const file = await openUnlessGone(item);
  if (file === undefined) return;
  try {
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile() || stat.ino !== item.stat.ino)
      throw new PlyError("conflict", `${quoteBytes(item.path)} was replaced while it was read`, {
        hint: "pause or stop the container first",
      });
    const size = Number(stat.size);
    yield tarHeader({ ...fieldsOf({ ...item, stat }, firstNames), size });
    let left = size;
    while (left > 0) {
      throwIfAborted(signal);
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_LENGTH, left));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, size - left);
      if (bytesRead === 0) break;
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
    if (left > 0)
      onNotice?.(`${quoteBytes(item.path)} shrank by ${left} bytes while it was read; padded with zeros`);
    for (; left > 0; left -= Math.min(left, CHUNK_LENGTH)) yield Buffer.alloc(Math.min(left, CHUNK_LENGTH));
    yield tarPadding(size);
  } finally {
    await file.close();
  }
}

async function openUnlessGone(item: UpperItem): Promise<FileHandle | undefined> {
  try {
    return await open(item.full, OPEN_FLAGS);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return undefined;
    throw new PlyError("conflict", `cannot read ${quoteBytes(item.path)} of the container: ${code}`, {
      cause: error,
    });
  }
}

function inodeOf({ stat }: UpperItem): string {
  return stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : "";
}

/** Header fields; remembers an inode's first name, later ones are hard links to it. */
function fieldsOf(item: UpperItem, firstNames: Map<string, string>): TarHeaderFields {
  const { path, stat, xattrs } = item;
  const common = {
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    ...mtimeOf(stat),
  };
  if (item.kind === "whiteout") {
    const marker = joinPath(parentOf(path), WHITEOUT_PREFIX + nameOf(path));
    return { path: marker, type: "file", mode: 0 };
  }
  if (item.kind === "opaque") return { path: joinPath(path, OPAQUE_MARKER), type: "file", mode: 0 };
  const fields = { ...common, path, xattrs };
  if (stat.isDirectory()) return { ...fields, path: path === "" ? "./" : `${path}/`, type: "directory" };
  const inode = inodeOf(item);
  if (inode !== "") {
    const first = firstNames.get(inode);
    if (first !== undefined) return { ...common, path, type: "hardlink", linkTarget: first };
    firstNames.set(inode, path);
  }
  if (stat.isSymbolicLink()) return { ...fields, type: "symlink", linkTarget: targetOf(item.full) };
  if (stat.isFIFO()) return { ...fields, type: "fifo" };
  if (stat.isFile()) return { ...fields, type: "file" };
  const { major, minor } = deviceOf(stat);
  return { ...fields, type: stat.isCharacterDevice() ? "char" : "block", devMajor: major, devMinor: minor };
}
