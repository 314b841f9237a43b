import { PlyError } from "../error.ts";
import { crc32c } from "./checksum.ts";
import { type ErofsDirent, parseDirectoryBlock } from "./directory.ts";
import {
  alignUp,
  CHUNK_BITS_MASK,
  CHUNK_INDEXES,
  COMPACT,
  COMPACT_LENGTH,
  COMPAT,
  DEVICE,
  DEVICE_SLOT_LENGTH,
  EXTENDED,
  EXTENDED_LENGTH,
  FILE_TYPES,
  type FileType,
  FORMAT_EXTENDED,
  INCOMPAT,
  LAYOUT,
  MAGIC,
  MODE_TYPE_MASK,
  NO_BLOCK,
  SLOT_LENGTH,
  SUPERBLOCK,
  SUPERBLOCK_LENGTH,
  SUPERBLOCK_OFFSET,
  XATTR_HEADER_LENGTH,
} from "./format.ts";
import { readXattrEntry, xattrLengthOf } from "./xattr.ts";

const MIN_BLOCK_BITS = 9;
const MAX_BLOCK_BITS = 16;
/** A directory of 10 million entries; larger ones are damage. */
const MAX_DIRECTORY_LENGTH = 2 ** 30;
const MAX_TARGET_LENGTH = 4095;
/** Chunks of one file that `map` gives. */
const MAX_CHUNKS = 16 * 1024 * 1024;
const TAIL_OF_INDEX = 4;

/** Bytes to read from: positions are from the image's start. */
export interface ErofsSource {
  readonly size: number;
  /** Exactly `length` bytes; asked only for what lies within `size`. */
  readAt(offset: number, length: number): Uint8Array;
}

export interface ErofsInode {
  readonly nid: number;
  readonly type: FileType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly nlink: number;
  /** Bytes of the body: content, directory entries or link target. */
  readonly size: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** How and where the body is stored, for the reader itself. */
  readonly storage: InodeStorage;
}

interface InodeStorage {
  readonly layout: number;
  readonly union: number;
  /** Bytes from the image's start to behind the inode, and of the attributes there. */
  readonly behind: number;
  readonly xattrLength: number;
}

/** A run of a file's bytes. `device`: index of the device, -1 the image itself, null a hole (zeros). */
export interface ErofsMapping {
  readonly offset: number;
  readonly length: number;
  readonly device: number | null;
  /** Byte offset in that device. */
  readonly deviceOffset: number;
}

/** An EROFS image opened for looking at. Every method throws "corrupt" where the image makes no sense. */
export interface ErofsImage {
  readonly blockLength: number;
  readonly uuid: Uint8Array;
  readonly inodeCount: number;
  /** Lengths in bytes, whole blocks. */
  readonly devices: readonly { readonly tag: string; readonly length: number; readonly firstBlock: number }[];
  readonly root: ErofsInode;
  inode(nid: number): ErofsInode;
  /** Entries without `.` and `..`, in stored (byte) order. Names are byte strings. */
  list(directory: ErofsInode): ErofsDirent[];
  /** The inode at a path (byte string); symlinks are not followed. */
  lookup(path: string): ErofsInode | undefined;
  linkTarget(symlink: ErofsInode): string;
  xattrs(inode: ErofsInode): Map<string, Uint8Array>;
  /** Where a file's bytes are, ascending, neighbours joined. */
  map(file: ErofsInode): ErofsMapping[];
}

/**
 * Opens an uncompressed EROFS image, ours or mkfs's, in memory or by positioned reads. Throws "corrupt" (magic,
 * checksum), "unsupported" (compression, 48-bit addresses and other later features).
 */
export function openErofs(from: Uint8Array | ErofsSource): ErofsImage {
  const source = from instanceof Uint8Array ? sourceOf(from) : from;
  const read = (offset: number, length: number): Buffer => readExactly(source, offset, length);
  const superblock = readSuperblock(read, source.size);
  const { blockLength, metaAt, xattrAt } = superblock;
  const devices = readDevices(read, superblock);

  function inode(nid: number): ErofsInode {
    if (!Number.isSafeInteger(nid) || nid < 0) throw damaged(`inode number ${nid}`);
    const at = metaAt + nid * SLOT_LENGTH;
    const isExtended = (read(at, 2).readUInt16LE(0) & FORMAT_EXTENDED) !== 0;
    return parseInode(read(at, isExtended ? EXTENDED_LENGTH : COMPACT_LENGTH), nid, at, superblock);
  }

  /** `length` bytes of a body from `offset` on; must not cross a block's end. */
  function bodyBlock({ size, storage }: ErofsInode, offset: number, length: number): Buffer {
    const isTail = storage.layout === LAYOUT.flatInline && offset + blockLength > size;
    if (isTail) return read(storage.behind + storage.xattrLength, length);
    if (storage.layout !== LAYOUT.flatPlain && storage.layout !== LAYOUT.flatInline)
      throw new PlyError("unsupported", `EROFS: a directory or link of layout ${storage.layout}`);
    return read(storage.union * blockLength + offset, length);
  }

  function list(directory: ErofsInode): ErofsDirent[] {
    if (directory.type !== "directory")
      throw new PlyError("invalid", `inode ${directory.nid} is no directory`);
    if (directory.size > MAX_DIRECTORY_LENGTH) throw damaged(`a directory of ${directory.size} bytes`);
    const entries: ErofsDirent[] = [];
    for (let offset = 0; offset < directory.size; offset += blockLength) {
      const block = bodyBlock(directory, offset, Math.min(blockLength, directory.size - offset));
      if (!parseDirectoryBlock(block, entries)) throw damaged(`directory ${directory.nid}`);
    }
    return entries;
  }

  function lookup(path: string): ErofsInode | undefined {
    let found = inode(superblock.rootNid);
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      if (found.type !== "directory") return undefined;
      const entry = list(found).find((one) => one.name === name);
      if (entry === undefined) return undefined;
      found = inode(entry.nid);
    }
    return found;
  }

  function linkTarget(symlink: ErofsInode): string {
    if (symlink.type !== "symlink") throw new PlyError("invalid", `inode ${symlink.nid} is no symlink`);
    if (symlink.size > MAX_TARGET_LENGTH) throw damaged(`a link target of ${symlink.size} bytes`);
    let target = "";
    for (let offset = 0; offset < symlink.size; offset += blockLength)
      target += bodyBlock(symlink, offset, Math.min(blockLength, symlink.size - offset)).toString("latin1");
    return target;
  }

  function xattrs({ storage }: ErofsInode): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    if (storage.xattrLength === 0) return found;
    const body = read(storage.behind, storage.xattrLength);
    const sharedCount = body.readUInt8(4);
    let at = XATTR_HEADER_LENGTH + 4 * sharedCount;
    if (at > body.length) throw damaged("extended attributes");
    for (let n = 0; n < sharedCount; n++) {
      const sharedAt = xattrAt + 4 * body.readUInt32LE(XATTR_HEADER_LENGTH + 4 * n);
      const header = read(sharedAt, TAIL_OF_INDEX);
      const length = TAIL_OF_INDEX + header.readUInt8(0) + header.readUInt16LE(2);
      addXattr(found, read(sharedAt, length), 0);
    }
    while (at < body.length) at = alignUp(addXattr(found, body, at), 4);
    return found;
  }

  function place(block: number, offset: number, length: number, deviceId: number): ErofsMapping {
    if (block === NO_BLOCK) return { offset, length, device: null, deviceOffset: 0 };
    const end = block * blockLength + length;
    if (deviceId > 0) {
      const device = devices[deviceId - 1];
      if (device === undefined || end > device.length) throw damaged(`a file beyond device ${deviceId - 1}`);
      return { offset, length, device: deviceId - 1, deviceOffset: block * blockLength };
    }
    for (const [index, { firstBlock, length: deviceLength }] of devices.entries()) {
      const start = firstBlock * blockLength;
      if (block < firstBlock || end > start + deviceLength) continue;
      return { offset, length, device: index, deviceOffset: block * blockLength - start };
    }
    if (end > alignUp(source.size, blockLength)) throw damaged("a file beyond all devices");
    return { offset, length, device: -1, deviceOffset: block * blockLength };
  }

  function map(file: ErofsInode): ErofsMapping[] {
    const { size, storage } = file;
    if (size === 0 || file.type !== "file") return [];
    if (storage.layout === LAYOUT.flatPlain) return [place(storage.union, 0, size, 0)];
    if (storage.layout === LAYOUT.flatInline) {
      const head = Math.floor(size / blockLength) * blockLength;
      const mappings = head > 0 ? [place(storage.union, 0, head, 0)] : [];
      const deviceOffset = storage.behind + storage.xattrLength;
      if (head < size) mappings.push({ offset: head, length: size - head, device: -1, deviceOffset });
      return mappings;
    }
    if (storage.layout !== LAYOUT.chunkBased)
      throw new PlyError("unsupported", `EROFS: a compressed file (layout ${storage.layout})`);
    return mapChunks(file);
  }

  function mapChunks({ size, storage }: ErofsInode): ErofsMapping[] {
    const format = storage.union & 0xffff;
    if ((format & ~(CHUNK_BITS_MASK | CHUNK_INDEXES)) !== 0)
      throw new PlyError("unsupported", `EROFS: chunk format 0x${format.toString(16)}`);
    const chunk = blockLength * 2 ** (format & CHUNK_BITS_MASK);
    const isIndexed = (format & CHUNK_INDEXES) !== 0;
    const width = isIndexed ? 8 : 4;
    const count = Math.ceil(size / chunk);
    if (count > MAX_CHUNKS) throw damaged(`a file of ${count} chunks`);
    const index = read(alignUp(storage.behind + storage.xattrLength, width), count * width);
    const mappings: ErofsMapping[] = [];
    for (let n = 0; n < count; n++) {
      const offset = n * chunk;
      const block = index.readUInt32LE(n * width + (isIndexed ? 4 : 0));
      const deviceId = isIndexed ? index.readUInt16LE(n * width + 2) : 0;
      const next = place(block, offset, Math.min(chunk, size - offset), deviceId);
      const last = mappings.at(-1);
      if (last !== undefined && continues(last, next))
        mappings[mappings.length - 1] = { ...last, length: last.length + next.length };
      else mappings.push(next);
    }
    return mappings;
  }

  return {
    blockLength,
    uuid: superblock.uuid,
    inodeCount: superblock.inodeCount,
    devices,
    root: inode(superblock.rootNid),
    inode,
    list,
    lookup,
    linkTarget,
    xattrs,
    map,
  };
}

function sourceOf(bytes: Uint8Array): ErofsSource {
  return { size: bytes.length, readAt: (offset, length) => bytes.subarray(offset, offset + length) };
}

function readExactly(source: ErofsSource, offset: number, length: number): Buffer {
  if (!Number.isSafeInteger(offset) || offset < 0 || length > source.size - offset)
    throw damaged(`${length} bytes at ${offset} lie outside its ${source.size}`);
  const bytes = source.readAt(offset, length);
  if (bytes.length !== length) throw damaged(`it ends before ${offset + length} bytes`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, length);
}

interface Superblock {
  readonly blockLength: number;
  readonly rootNid: number;
  readonly inodeCount: number;
  /** Bytes from the image's start: inode number 0, shared attributes, device table. */
  readonly metaAt: number;
  readonly xattrAt: number;
  readonly devicesAt: number;
  readonly deviceCount: number;
  readonly epoch: number;
  readonly epochNanos: number;
  readonly uuid: Uint8Array;
}

function readSuperblock(read: (offset: number, length: number) => Buffer, size: number): Superblock {
  if (size < SUPERBLOCK_OFFSET + SUPERBLOCK_LENGTH) throw damaged("too short");
  const bytes = read(SUPERBLOCK_OFFSET, SUPERBLOCK_LENGTH);
  if (bytes.readUInt32LE(SUPERBLOCK.magic) !== MAGIC) throw damaged("no EROFS magic");
  const blockBits = bytes.readUInt8(SUPERBLOCK.blockBits);
  if (blockBits < MIN_BLOCK_BITS || blockBits > MAX_BLOCK_BITS) throw damaged(`block size 2^${blockBits}`);
  const features = bytes.readUInt32LE(SUPERBLOCK.featureIncompat);
  const unknown = features & ~(INCOMPAT.chunkedFile | INCOMPAT.deviceTable);
  if (unknown !== 0) throw new PlyError("unsupported", `EROFS features 0x${unknown.toString(16)}`);
  if (bytes.readUInt8(SUPERBLOCK.directoryBits) !== 0) throw damaged("directory block size");
  const blockLength = 2 ** blockBits;
  if ((bytes.readUInt32LE(SUPERBLOCK.featureCompat) & COMPAT.checksum) !== 0) {
    const covered = blockLength > SUPERBLOCK_OFFSET ? blockLength - SUPERBLOCK_OFFSET : blockLength;
    const block = Uint8Array.from(read(SUPERBLOCK_OFFSET, covered));
    block.fill(0, SUPERBLOCK.checksum, SUPERBLOCK.checksum + 4);
    if (crc32c(block) !== bytes.readUInt32LE(SUPERBLOCK.checksum)) throw damaged("superblock checksum");
  }
  return {
    blockLength,
    rootNid: bytes.readUInt16LE(SUPERBLOCK.rootNid),
    inodeCount: safe(bytes.readBigUInt64LE(SUPERBLOCK.inodeCount), "inode count"),
    metaAt: bytes.readUInt32LE(SUPERBLOCK.metaBlock) * blockLength,
    xattrAt: bytes.readUInt32LE(SUPERBLOCK.xattrBlock) * blockLength,
    devicesAt: bytes.readUInt16LE(SUPERBLOCK.deviceSlot) * DEVICE_SLOT_LENGTH,
    deviceCount: bytes.readUInt16LE(SUPERBLOCK.deviceCount),
    epoch: safe(bytes.readBigInt64LE(SUPERBLOCK.epoch), "epoch"),
    epochNanos: bytes.readUInt32LE(SUPERBLOCK.epochNanos),
    uuid: new Uint8Array(bytes.subarray(SUPERBLOCK.uuid, SUPERBLOCK.uuid + 16)),
  };
}

function readDevices(read: (offset: number, length: number) => Buffer, superblock: Superblock) {
  const { devicesAt, deviceCount, blockLength } = superblock;
  const table = read(devicesAt, deviceCount * DEVICE_SLOT_LENGTH);
  return Array.from({ length: deviceCount }, (_, n) => {
    const at = n * DEVICE_SLOT_LENGTH;
    const tag = table.toString("latin1", at + DEVICE.tag, at + DEVICE.tag + DEVICE.tagLength);
    return {
      tag: tag.split("\0")[0] ?? "",
      length: table.readUInt32LE(at + DEVICE.blocks) * blockLength,
      firstBlock: table.readUInt32LE(at + DEVICE.firstBlock),
    };
  });
}

function parseInode(bytes: Buffer, nid: number, at: number, superblock: Superblock): ErofsInode {
  const format = bytes.readUInt16LE(EXTENDED.format);
  if ((format & ~0x0f) !== 0)
    throw new PlyError("unsupported", `EROFS inode format 0x${format.toString(16)}`);
  const modeField = bytes.readUInt16LE(EXTENDED.mode);
  const type = typeOf(modeField);
  if (type === undefined) throw damaged(`inode ${nid} has mode 0${modeField.toString(8)}`);
  const isExtended = bytes.length === EXTENDED_LENGTH;
  const union = bytes.readUInt32LE(EXTENDED.union);
  const isDevice = type === "char" || type === "block";
  const rest = isExtended
    ? {
        size: safe(bytes.readBigUInt64LE(EXTENDED.size), "size"),
        uid: bytes.readUInt32LE(EXTENDED.uid),
        gid: bytes.readUInt32LE(EXTENDED.gid),
        mtimeSeconds: safe(bytes.readBigInt64LE(EXTENDED.mtime), "time"),
        mtimeNanos: bytes.readUInt32LE(EXTENDED.mtimeNanos),
        nlink: bytes.readUInt32LE(EXTENDED.nlink),
      }
    : {
        size: bytes.readUInt32LE(COMPACT.size),
        uid: bytes.readUInt16LE(COMPACT.uid),
        gid: bytes.readUInt16LE(COMPACT.gid),
        mtimeSeconds: superblock.epoch + bytes.readUInt32LE(COMPACT.mtime),
        mtimeNanos: superblock.epochNanos,
        nlink: bytes.readUInt16LE(COMPACT.nlink),
      };
  const storage = {
    layout: format >>> 1,
    union,
    behind: at + bytes.length,
    xattrLength: xattrLengthOf(bytes.readUInt16LE(EXTENDED.xattrCount)),
  };
  return {
    nid,
    type,
    mode: modeField & 0o7777,
    ...rest,
    rdevMajor: isDevice ? (union >>> 8) & 0xfff : 0,
    rdevMinor: isDevice ? (union & 0xff) | ((union >>> 12) & 0xf_ff00) : 0,
    storage,
  };
}

function typeOf(mode: number): FileType | undefined {
  for (const type of Object.keys(FILE_TYPES) as FileType[])
    if (FILE_TYPES[type].mode === (mode & MODE_TYPE_MASK)) return type;
  return undefined;
}

function addXattr(into: Map<string, Uint8Array>, bytes: Uint8Array, at: number): number {
  const entry = readXattrEntry(bytes, at);
  if (entry === undefined) throw damaged("extended attributes");
  into.set(entry.name, entry.value);
  return entry.end;
}

function continues(last: ErofsMapping, next: ErofsMapping): boolean {
  if (last.device !== next.device) return false;
  return last.device === null || last.deviceOffset + last.length === next.deviceOffset;
}

function safe(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw damaged(`${what} ${value}`);
  return number;
}

function damaged(what: string): PlyError {
  return new PlyError("corrupt", `the EROFS image is damaged: ${what}`);
}
