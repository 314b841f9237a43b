import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  read,
  readdirSync,
  readlinkSync,
} from "node:fs";
import { promisify } from "node:util";
import { PlyError, throwIfAborted } from "../error.ts";
import { readInto } from "../host-file.ts";
import { failedWith, fileTypeOf, isGone, openInRoot } from "../linux/index.ts";
import {
  byteString,
  quoteBytes,
  TAR_END,
  type TarHeaderFields,
  tarHeader,
  tarPadding,
} from "../tar/index.ts";
import { portableXattrs } from "./attributes.ts";
import { dataExtents } from "./extents.ts";
import { findPlace, ownerInside, pathOf, type Root } from "./root.ts";
import { notThere } from "./stat.ts";

const CHUNK_LENGTH = 256 * 1024;
/** Less than this is read at once: handing it to another thread takes longer. */
const LONG_READ = 64 * 1024;
/** Half of what our own reader takes of one archive. */
const MAX_EXTENTS = 500_000;
/** Sent for every hole: nobody writes to what is packed. */
const ZEROS = new Uint8Array(CHUNK_LENGTH);
const NANOS = 1_000_000_000n;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const readFrom = promisify(read);

export interface PackOptions {
  /** The name that the path has in the archive; what is below it follows. `.` and `/` are fine; "" leaves the top out. */
  readonly as: string;
  /** What is mounted below is left out: a mountpoint is an empty file or directory. */
  readonly sameMount?: boolean;
  /** More follows: the end of an archive is left to the caller. */
  readonly isPart?: boolean;
  /** Holes are left out (PAX sparse files), for readers that are ours; else they are zeros, which every reader knows. */
  readonly keepHoles?: boolean;
  readonly signal?: AbortSignal;
}

interface Packing extends Omit<PackOptions, "as"> {
  readonly root: Root;
  /** First name of every inode that has several. */
  readonly firstNames: Map<string, string>;
  /** Runs of sparse files that may still be told of: readers bound them. */
  extentsLeft: number;
}

/** Of an archive. Only what takes long is a promise: most pieces are small, and waiting for each would cost more than making it. */
type Piece = Uint8Array | Promise<Uint8Array>;
type Pieces = Generator<Piece, void, void>;

/**
 * A file or a tree as a tar archive, a directory before what is in it, names in byte order: owners, modes, times with
 * nanoseconds, extended attributes, hard links, devices. The last link of `path` is not followed unless it ends in a slash.
 * Sockets are left out. Safe against whoever changes the tree meanwhile: nothing outside of the root is ever opened; what vanishes
 * is left out, a file that grows is cut, one that shrinks is padded with zeros. Throws "not-found" before the first byte.
 */
export async function* pack(
  root: Root,
  path: string,
  options: PackOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const place = placeOrNotFound(root, path);
  const packing: Packing = { ...options, root, firstNames: new Map(), extentsLeft: MAX_EXTENTS };
  try {
    lstatOrNotFound(place.directory, place.name, path);
    yield* gathered(packEntry(place.directory, place.name, byteString(options.as), packing), options.isPart);
  } finally {
    place[Symbol.dispose]();
  }
}

function placeOrNotFound(root: Root, path: string) {
  try {
    return findPlace(root, path);
  } catch (error) {
    throw notThere(error, path);
  }
}

function lstatOrNotFound(directory: number, name: Buffer, path: string): void {
  try {
    lstatSync(pathOf(directory, name));
  } catch (error) {
    throw notThere(error, path);
  }
}

/** Small pieces joined, long ones as they are, the end of the archive added. */
async function* gathered(pieces: Iterable<Piece>, isPart = false): AsyncGenerator<Uint8Array, void, void> {
  let held: Uint8Array[] = [];
  let length = 0;
  for (const next of pieces) {
    const piece = next instanceof Promise ? await next : next;
    const isLong = piece.length >= CHUNK_LENGTH;
    if (!isLong) {
      held.push(piece);
      length += piece.length;
    }
    if (length >= CHUNK_LENGTH || (isLong && length > 0)) {
      yield Buffer.concat(held, length);
      held = [];
      length = 0;
    }
    if (isLong) yield piece;
  }
  yield Buffer.concat(isPart ? held : [...held, TAR_END]);
}

function* packEntry(directory: number, name: Buffer, as: string, packing: Packing): Pieces {
  throwIfAborted(packing.signal);
  const full = pathOf(directory, name);
  const stat = unlessGone(() => lstatSync(full, { bigint: true }));
  if (stat === undefined || stat.isSocket()) return;
  if (stat.isDirectory()) return yield* packDirectory(directory, name, as, packing);
  const first = stat.nlink > 1n ? packing.firstNames.get(inodeOf(stat)) : undefined;
  if (first !== undefined) {
    yield tarHeader({ ...attributesOf(stat, packing), path: as, type: "hardlink", linkTarget: first });
    return;
  }
  if (stat.isFile()) return yield* packFile(directory, name, as, packing);
  const fields = unlessGone(() => ({ ...attributesOf(stat, packing), path: as, ...kindOf(full, stat) }));
  if (fields === undefined) return;
  if (stat.nlink > 1n) packing.firstNames.set(inodeOf(stat), as);
  yield tarHeader(fields);
}

function* packDirectory(directory: number, name: Buffer, as: string, packing: Packing): Pieces {
  const fd = openEntry(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, packing);
  if (fd === undefined) return;
  try {
    const isMountpoint = fd === "mounted";
    const full = isMountpoint ? pathOf(directory, name) : pathOf(fd, Buffer.alloc(0));
    const stat = lstatSync(full, { bigint: true });
    const xattrs = portableXattrs(full);
    const path = as.endsWith("/") ? as : `${as}/`;
    if (as !== "") yield tarHeader({ ...attributesOf(stat, packing), path, type: "directory", xattrs });
    if (isMountpoint) return;
    const names = readdirSync(full, { encoding: "buffer" }).sort(Buffer.compare);
    for (const child of names)
      yield* packEntry(fd, child, (as === "" ? "" : path) + child.toString("latin1"), packing);
  } finally {
    if (typeof fd === "number") closeSync(fd);
  }
}

function* packFile(directory: number, name: Buffer, as: string, packing: Packing): Pieces {
  const fd = openEntry(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, packing);
  if (fd === undefined) return;
  if (fd === "mounted") {
    yield tarHeader({ path: as, type: "file", mode: 0o755 });
    return;
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    // Replaced by something else since it was looked at.
    if (!stat.isFile()) return;
    const size = Number(stat.size);
    const xattrs = unlessGone(() => portableXattrs(pathOf(directory, name))) ?? new Map();
    if (stat.nlink > 1n) packing.firstNames.set(inodeOf(stat), as);
    const extents = dataExtents(fd, stat, packing.extentsLeft);
    const isSparse = packing.keepHoles === true && extents !== undefined;
    if (isSparse) packing.extentsLeft -= extents.length;
    const fields = { ...attributesOf(stat, packing), path: as, size, xattrs };
    yield tarHeader({ ...fields, type: "file", ...(isSparse ? { extents } : {}) });
    let at = 0;
    let stored = 0;
    for (const { offset, length } of extents ?? [{ offset: 0, length: size }]) {
      if (!isSparse) yield* zeros(offset - at);
      yield* contentOf(fd, offset, length, packing.signal);
      at = offset + length;
      stored += length;
    }
    if (!isSparse) yield* zeros(size - at);
    yield tarPadding(isSparse ? stored : size);
  } finally {
    closeSync(fd);
  }
}

function* contentOf(fd: number, offset: number, length: number, signal: AbortSignal | undefined): Pieces {
  for (let at = 0; at < length; at += CHUNK_LENGTH) {
    throwIfAborted(signal);
    const size = Math.min(CHUNK_LENGTH, length - at);
    if (size < LONG_READ) yield readShort(fd, offset + at, size);
    else yield readLong(fd, offset + at, size);
  }
}

/** What is missing since the file was cut meanwhile is zeros; here and below. */
function readShort(fd: number, position: number, length: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.fill(0, readInto(fd, buffer, position));
}

async function readLong(fd: number, position: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await readFrom(fd, buffer, at, length - at, position + at);
    if (bytesRead === 0) return buffer.fill(0, at);
    at += bytesRead;
  }
  return buffer;
}

function* zeros(length: number): Generator<Uint8Array, void, void> {
  for (let left = length; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

/** Undefined: it is gone, or no longer what it was. */
function openEntry(
  directory: number,
  name: Buffer,
  flags: number,
  { sameMount = false }: Packing,
): number | "mounted" | undefined {
  try {
    return openInRoot(directory, name, flags, { noLinks: true, sameMount });
  } catch (error) {
    if (sameMount && failedWith(error, "EXDEV")) return "mounted";
    if (isGone(error) || failedWith(error, "ELOOP")) return undefined;
    throw new PlyError("denied", `cannot read ${quoteBytes(name.toString("latin1"))}: ${String(error)}`, {
      cause: error,
    });
  }
}

function kindOf(full: Buffer, stat: BigIntStats): Pick<TarHeaderFields, "type"> & Partial<TarHeaderFields> {
  const type = fileTypeOf(stat);
  if (type === "symlink") {
    const linkTarget = readlinkSync(full, { encoding: "buffer" }).toString("latin1");
    return { type, linkTarget, xattrs: portableXattrs(full) };
  }
  if (type === "fifo") return { type };
  const { rdev } = stat;
  return {
    type: type === "char" ? "char" : "block",
    devMajor: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    devMinor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}

function attributesOf(stat: BigIntStats, { root }: Packing) {
  const nanos = ((stat.mtimeNs % NANOS) + NANOS) % NANOS;
  return {
    mode: Number(stat.mode & 0o7777n),
    ...ownerInside(root, Number(stat.uid), Number(stat.gid)),
    mtimeSeconds: Number((stat.mtimeNs - nanos) / NANOS),
    mtimeNanos: Number(nanos),
  };
}

function inodeOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}`;
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}
