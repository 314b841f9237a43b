import { PlyError } from "../error.ts";
import { damaged } from "./damage.ts";
import { type ErofsDirent, parseDirectoryBlock } from "./directory.ts";
import {
  alignUp,
  CHUNK_BITS_MASK,
  CHUNK_INDEXES,
  COMPACT_LENGTH,
  EXTENDED_LENGTH,
  FORMAT_EXTENDED,
  LAYOUT,
  NO_BLOCK,
  SLOT_LENGTH,
  XATTR_ENTRY_LENGTH,
  XATTR_HEADER_LENGTH,
} from "./format.ts";
import { type ErofsInode, parseInode } from "./inode.ts";
import { type DeviceSlot, readDevices, readSuperblock } from "./superblock.ts";
import { readXattrEntry } from "./xattr.ts";

/** A directory of 10 million entries; larger ones are damage. */
const MAX_DIRECTORY_LENGTH = 2 ** 30;
const MAX_TARGET_LENGTH = 4095;
/** Chunks of one file that `map` gives. */
const MAX_CHUNKS = 16 * 1024 * 1024;

/** Bytes to read from: positions are from the image's start. */
export interface ErofsSource {
  readonly size: number;
  /** Exactly `length` bytes; asked only for what lies within `size`. */
  readAt(offset: number, length: number): Uint8Array;
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
  readonly devices: readonly DeviceSlot[];
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
      const header = read(sharedAt, XATTR_ENTRY_LENGTH);
      const length = XATTR_ENTRY_LENGTH + header.readUInt8(0) + header.readUInt16LE(2);
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
