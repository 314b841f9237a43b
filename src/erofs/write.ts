import { PlyError } from "../error.ts";
import { crc32c } from "./checksum.ts";
import {
  alignUp,
  COMPAT,
  DEVICE,
  DEVICE_SLOT_LENGTH,
  DIRENT_LENGTH,
  EXTENDED,
  EXTENDED_LENGTH,
  FILE_TYPES,
  FORMAT_EXTENDED,
  INCOMPAT,
  MAGIC,
  MAX_DEVICES,
  NO_BLOCK,
  SLOT_LENGTH,
  SUPERBLOCK,
  SUPERBLOCK_LENGTH,
  SUPERBLOCK_OFFSET,
} from "./format.ts";
import { BLOCK_BITS, BLOCK_LENGTH, type ErofsLayout, layOut, type PlacedInode } from "./layout.ts";
import type { ErofsNode } from "./node.ts";
import type { Chunk } from "./sparse.ts";
import { writeXattrs, xattrCountOf } from "./xattr.ts";

const UUID_LENGTH = 16;
const TWO_32 = 2 ** 32;
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** Blocks before the inode area that every image has: superblock and the first device slots. */
const DEVICE_TABLE_OFFSET = SUPERBLOCK_OFFSET + SUPERBLOCK_LENGTH;

/** A tar whose bytes the files are. */
export interface ErofsDevice {
  /** Free text, at most 64 bytes: the DiffID's hex. */
  readonly tag: string;
  /** Bytes, a trailing partial block included; the file itself must be padded to 512 bytes. */
  readonly size: number;
}

export interface WriteErofsOptions {
  /** 16 bytes; a function of the layers, never random: overlayfs remembers it (erofs-format.md, section 13). */
  readonly uuid: Uint8Array;
  /** Reads exactly `length` bytes of a device. Needed only where pieces of sparse files are off the block grid. */
  readonly readAt?: (device: number, offset: number, length: number) => Uint8Array;
}

/**
 * The EROFS metadata image of a tree whose file data lie in `devices` (mount it with one `device=` for each, in
 * this order): 512-byte blocks, extended inodes, unified addresses. The same input gives the same bytes.
 * Valid for Linux 6.12 and newer (6.4 through loop devices). Extended attributes that EROFS has no
 * prefix for are left out.
 *
 * Throws "invalid" for a tree that cannot be, "limit" for what the format cannot hold (2 TiB of metadata and tars).
 */
export function writeErofs(
  root: ErofsNode,
  devices: readonly ErofsDevice[],
  options: WriteErofsOptions,
): Uint8Array {
  if (options.uuid.length !== UUID_LENGTH)
    throw new PlyError("invalid", `an EROFS uuid has 16 bytes, not ${options.uuid.length}`);
  if (devices.length > MAX_DEVICES)
    throw new PlyError("limit", `${devices.length} layers: EROFS takes ${MAX_DEVICES} devices`);
  if (!IS_LITTLE_ENDIAN)
    throw new PlyError("unsupported", "EROFS images are written on little-endian hosts only");
  if (root.type !== "directory") throw new PlyError("invalid", "the root of the tree is not a directory");

  const layout = layOut(
    root,
    devices.map((device) => device.size),
  );
  const inodeAt = alignUp(DEVICE_TABLE_OFFSET + devices.length * DEVICE_SLOT_LENGTH, BLOCK_LENGTH);
  const bodyAt = inodeAt + layout.inodeArea;
  const copyAt = bodyAt + layout.bodyBlocks * BLOCK_LENGTH;
  const length = copyAt + layout.copyBlocks * BLOCK_LENGTH;
  const bytes = new Uint8Array(length);
  const target: Target = {
    bytes,
    words: new Uint32Array(bytes.buffer),
    halves: new Uint16Array(bytes.buffer),
    inodeAt,
    bodyAt,
    nextCopy: copyAt,
    firstBlocks: deviceAddresses(length / BLOCK_LENGTH, devices),
    readAt: options.readAt,
  };
  for (const inode of layout.inodes) writeInode(target, inode);
  writeDevices(target, devices);
  writeSuperblock(target, layout, devices.length, options.uuid);
  return bytes;
}

/** The image being written, and where its areas begin (bytes). */
interface Target {
  readonly bytes: Uint8Array;
  /** The same memory in wider units: aligned stores are several times faster than a DataView's. */
  readonly words: Uint32Array;
  readonly halves: Uint16Array;
  readonly inodeAt: number;
  readonly bodyAt: number;
  nextCopy: number;
  /** Per device, its first block in the unified address space. */
  readonly firstBlocks: readonly number[];
  readonly readAt: WriteErofsOptions["readAt"];
}

function deviceAddresses(imageBlocks: number, devices: readonly ErofsDevice[]): number[] {
  let next = imageBlocks;
  const firstBlocks = devices.map(({ size }) => {
    const first = next;
    next += Math.ceil(size / BLOCK_LENGTH);
    return first;
  });
  if (next >= NO_BLOCK)
    throw new PlyError(
      "limit",
      `the layers and their metadata take ${next * BLOCK_LENGTH} bytes, over 2 TiB`,
      {
        hint: "use the overlay2 storage driver for this image",
      },
    );
  return firstBlocks;
}

function writeInode(target: Target, inode: PlacedInode): void {
  const { words, halves } = target;
  const { node } = inode;
  const at = target.inodeAt + inode.nid * SLOT_LENGTH;
  const half = at / 2;
  halves[half + EXTENDED.format / 2] = FORMAT_EXTENDED | (inode.layout << 1);
  halves[half + EXTENDED.xattrCount / 2] = xattrCountOf(inode.xattrLength);
  halves[half + EXTENDED.mode / 2] = FILE_TYPES[node.type].mode | (node.mode & 0o7777);
  const word = at / 4;
  setUint64(words, word + EXTENDED.size / 4, inode.size);
  words[word + EXTENDED.union / 4] = unionField(target, inode);
  words[word + EXTENDED.serial / 4] = inode.serial;
  words[word + EXTENDED.uid / 4] = node.uid;
  words[word + EXTENDED.gid / 4] = node.gid;
  setUint64(words, word + EXTENDED.mtime / 4, node.mtimeSeconds);
  words[word + EXTENDED.mtimeNanos / 4] = node.mtimeNanos;
  words[word + EXTENDED.nlink / 4] = inode.nlink;
  const behind = at + EXTENDED_LENGTH;
  if (inode.xattrLength > 0) writeXattrs(target.bytes, behind, node.xattrs);
  const tailAt = behind + inode.xattrLength;
  if (inode.chunks !== undefined) writeChunks(target, inode, tailAt);
  else if (node.type === "directory") writeDirectory(target, inode, tailAt);
  else if (node.type === "symlink") writeTarget(target, inode, tailAt);
}

/** `i_u`: a start block, a chunk format or a device number. */
function unionField(target: Target, inode: PlacedInode): number {
  const { node } = inode;
  if (node.type === "char" || node.type === "block") return encodeDevice(node);
  if (node.type === "fifo" || node.type === "socket") return 0;
  if (inode.chunks !== undefined) return inode.chunks.bits - BLOCK_BITS;
  if (node.type === "file") return node.data === null ? NO_BLOCK : blockOf(target, node.data);
  return inode.blocks === 0 ? NO_BLOCK : target.bodyAt / BLOCK_LENGTH + inode.firstBlock;
}

/** The kernel's new_encode_dev(). */
function encodeDevice({ rdevMajor, rdevMinor }: ErofsNode): number {
  if (rdevMajor < 0 || rdevMajor > 0xfff || rdevMinor < 0 || rdevMinor > 0xf_ffff)
    throw new PlyError("limit", `device number ${rdevMajor}:${rdevMinor} is over 4095:1048575`);
  return ((rdevMinor & 0xff) | (rdevMajor << 8) | ((rdevMinor & ~0xff) << 12)) >>> 0;
}

function blockOf(target: Target, data: { readonly device: number; readonly offset: number }): number {
  const first = target.firstBlocks[data.device];
  if (first === undefined) throw new PlyError("internal", `no device ${data.device}`);
  return first + data.offset / BLOCK_LENGTH;
}

/** Where byte `block * 512` of a body is: in its whole blocks, else behind the inode. */
function bodyBlockAt(target: Target, inode: PlacedInode, block: number, tailAt: number): number {
  return block < inode.blocks ? target.bodyAt + (inode.firstBlock + block) * BLOCK_LENGTH : tailAt;
}

function writeDirectory(target: Target, inode: PlacedInode, tailAt: number): void {
  const { names, targets } = inode;
  let block = 0;
  for (let first = 0; first < names.length; block++) {
    let afterLast = first;
    let used = 0;
    for (; afterLast < names.length; afterLast++) {
      const cost = DIRENT_LENGTH + (names[afterLast]?.length ?? 0);
      if (used + cost > BLOCK_LENGTH) break;
      used += cost;
    }
    const at = bodyBlockAt(target, inode, block, tailAt);
    let nameOffset = (afterLast - first) * DIRENT_LENGTH;
    for (let n = first; n < afterLast; n++) {
      const name = names[n];
      const entry = targets[n];
      if (name === undefined || entry === undefined)
        throw new PlyError("internal", "a name without an inode");
      const direntAt = at + (n - first) * DIRENT_LENGTH;
      setUint64(target.words, direntAt / 4, entry.nid);
      target.halves[direntAt / 2 + 4] = nameOffset;
      target.bytes[direntAt + 10] = FILE_TYPES[entry.node.type].dirent;
      if (writeText(target.bytes, at + nameOffset, name, 0, name.length))
        throw new PlyError("invalid", `bad name ${JSON.stringify(name)} in a directory`);
      nameOffset += name.length;
    }
    first = afterLast;
  }
}

function writeTarget(target: Target, inode: PlacedInode, tailAt: number): void {
  const text = inode.node.linkTarget;
  for (let block = 0; block * BLOCK_LENGTH < text.length; block++) {
    const start = block * BLOCK_LENGTH;
    const end = Math.min(text.length, start + BLOCK_LENGTH);
    writeText(target.bytes, bodyBlockAt(target, inode, block, tailAt), text, start, end);
  }
}

/** True when there was a slash or a NUL, which no name may have. */
function writeText(bytes: Uint8Array, at: number, text: string, start: number, end: number): boolean {
  let seen = 0;
  let isNoName = false;
  for (let n = start, to = at; n < end; n++) {
    const unit = text.charCodeAt(n);
    seen |= unit;
    if (unit === 0x2f || unit === 0) isNoName = true;
    bytes[to++] = unit;
  }
  if (seen > 0xff) throw new PlyError("internal", `${JSON.stringify(text)} is not a byte string`);
  return isNoName;
}

function writeChunks(target: Target, { chunks, node }: PlacedInode, at: number): void {
  const device = node.data?.device;
  if (chunks === undefined || device === undefined) throw new PlyError("internal", "chunks without data");
  for (const [n, chunk] of chunks.chunks.entries())
    target.words[at / 4 + n] = chunkBlock(target, chunk, device);
}

function chunkBlock(target: Target, chunk: Chunk, device: number): number {
  if (chunk.kind === "hole") return NO_BLOCK;
  if (chunk.kind === "device") return blockOf(target, { device, offset: chunk.offset });
  const at = target.nextCopy;
  target.nextCopy += alignUp(chunk.length, BLOCK_LENGTH);
  for (const piece of chunk.pieces) {
    if (target.readAt === undefined)
      throw new PlyError("internal", "a sparse file needs readAt: its pieces are off the block grid");
    const read = target.readAt(device, piece.offset, piece.length);
    if (read.length !== piece.length)
      throw new PlyError("corrupt", `device ${device} ends before ${piece.offset + piece.length} bytes`);
    target.bytes.set(read, at + piece.at);
  }
  return at / BLOCK_LENGTH;
}

function writeDevices(target: Target, devices: readonly ErofsDevice[]): void {
  for (const [n, { tag, size }] of devices.entries()) {
    const at = DEVICE_TABLE_OFFSET + n * DEVICE_SLOT_LENGTH;
    writeText(target.bytes, at + DEVICE.tag, tag, 0, Math.min(tag.length, DEVICE.tagLength));
    target.words[(at + DEVICE.blocks) / 4] = Math.ceil(size / BLOCK_LENGTH);
    target.words[(at + DEVICE.firstBlock) / 4] = target.firstBlocks[n] ?? 0;
  }
}

function writeSuperblock(target: Target, layout: ErofsLayout, deviceCount: number, uuid: Uint8Array): void {
  const { bytes, inodeAt } = target;
  const at = SUPERBLOCK_OFFSET;
  const view = new DataView(bytes.buffer, at, BLOCK_LENGTH);
  view.setUint32(SUPERBLOCK.magic, MAGIC, true);
  view.setUint32(SUPERBLOCK.featureCompat, COMPAT.checksum | COMPAT.mtime, true);
  view.setUint8(SUPERBLOCK.blockBits, BLOCK_BITS);
  view.setUint16(SUPERBLOCK.rootNid, layout.inodes[0]?.nid ?? 0, true);
  view.setUint32(SUPERBLOCK.inodeCount, layout.inodes.length, true);
  view.setUint32(SUPERBLOCK.blocks, bytes.length / BLOCK_LENGTH, true);
  view.setUint32(SUPERBLOCK.metaBlock, inodeAt / BLOCK_LENGTH, true);
  bytes.set(uuid, at + SUPERBLOCK.uuid);
  const features =
    (layout.isChunked ? INCOMPAT.chunkedFile : 0) | (deviceCount > 0 ? INCOMPAT.deviceTable : 0);
  view.setUint32(SUPERBLOCK.featureIncompat, features, true);
  view.setUint16(SUPERBLOCK.deviceCount, deviceCount, true);
  const slot = deviceCount > 0 ? DEVICE_TABLE_OFFSET / DEVICE_SLOT_LENGTH : 0;
  view.setUint16(SUPERBLOCK.deviceSlot, slot, true);
  // Last: it covers the rest of the superblock's block, with itself as zero.
  view.setUint32(SUPERBLOCK.checksum, crc32c(bytes.subarray(at, at + BLOCK_LENGTH)), true);
}

/** Two words: a safe integer, negative ones as two's complement. */
function setUint64(words: Uint32Array, at: number, value: number): void {
  words[at] = value >>> 0;
  words[at + 1] = Math.floor(value / TWO_32) >>> 0;
}
