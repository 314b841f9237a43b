import { crc32 } from "node:zlib";
import { PlyError } from "../error.ts";
import type { SparseExtent } from "../tar/index.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { LayerEntry, LayerIndex } from "./entry.ts";
import { emptyEntry } from "./from-tar.ts";
import { isCleanPath, MAX_PATH_LENGTH, MAX_TARGET_LENGTH } from "./path.ts";

/*
 * The index file of a layer, version 1. Numbers are LEB128 varints; "signed" ones are zigzag coded.
 *
 *   magic "plyindex", u8 version, entry count, entries…, u32 CRC-32 (little endian) of all before it
 *
 *   entry: u8 type and flags; bytes of the path shared with the previous entry, rest of the path;
 *     [mode, uid, gid]  unless SAME_OWNER: as in the previous entry that had any
 *     mtime seconds     signed, against that of the previous entry; [nanoseconds if HAS_NANOS]
 *     file:    size; if there are data: signed distance, in 512-byte blocks, from the end of the previous data
 *              [if HAS_EXTENTS: count, then per extent: gap since the end of the last one, length]
 *     symlink, hardlink: target          char, block: major, minor
 *     [if HAS_XATTRS: count, then name, value each]
 *   Whiteouts, opaque markers and hard links have neither mode, owner, time nor xattrs.
 */
const MAGIC = Uint8Array.from([0x70, 0x6c, 0x79, 0x69, 0x6e, 0x64, 0x65, 0x78]);
/** Raised with every change of the format or of what goes into it; an unknown version is refused. */
const VERSION = 1;
const HEADER_LENGTH = MAGIC.length + 1;
const CRC_LENGTH = 4;
const TAR_BLOCK = 512;

const TYPES = [
  "file",
  "directory",
  "symlink",
  "hardlink",
  "char",
  "block",
  "fifo",
  "whiteout",
  "opaque",
] as const;
const TYPE_MASK = 0x0f;
const HAS_XATTRS = 0x10;
const HAS_EXTENTS = 0x20;
const HAS_NANOS = 0x40;
const SAME_OWNER = 0x80;
const SLASH = 0x2f;
const DOT = 0x2e;
/** Flags byte, shared length, rest length. */
const MIN_ENTRY_LENGTH = 3;

/** The bytes of a layer's index file. The same entries always give the same bytes. */
export function encodeIndex(entries: readonly LayerEntry[]): Uint8Array {
  const out = new ByteWriter(64 + entries.length * 32);
  out.bytes(MAGIC);
  out.u8(VERSION);
  out.varint(entries.length);
  let path = "";
  let mode = 0;
  let uid = 0;
  let gid = 0;
  let seconds = 0;
  let dataEnd = 0;
  for (const entry of entries) {
    const type = TYPES.indexOf(entry.type);
    const bare = isBare(entry.type);
    const sameOwner = entry.mode === mode && entry.uid === uid && entry.gid === gid;
    out.u8(
      type |
        (!bare && entry.xattrs.size > 0 ? HAS_XATTRS : 0) |
        (entry.type === "file" && entry.extents !== undefined ? HAS_EXTENTS : 0) |
        (!bare && entry.mtimeNanos !== 0 ? HAS_NANOS : 0) |
        (!bare && sameOwner ? SAME_OWNER : 0),
    );
    const shared = sharedLength(path, entry.path);
    out.varint(shared);
    out.text(entry.path, shared);
    path = entry.path;
    if (entry.type === "hardlink") out.text(entry.linkTarget, 0);
    if (bare) continue;
    if (!sameOwner) {
      ({ mode, uid, gid } = entry);
      out.varint(mode);
      out.varint(uid);
      out.varint(gid);
    }
    out.signed(entry.mtimeSeconds - seconds);
    seconds = entry.mtimeSeconds;
    if (entry.mtimeNanos !== 0) out.varint(entry.mtimeNanos);
    if (entry.type === "file") dataEnd = encodeContent(out, entry, dataEnd);
    else if (entry.type === "symlink") out.text(entry.linkTarget, 0);
    else if (entry.type === "char" || entry.type === "block") {
      out.varint(entry.rdevMajor);
      out.varint(entry.rdevMinor);
    }
    if (entry.xattrs.size > 0) {
      out.varint(entry.xattrs.size);
      for (const [name, value] of entry.xattrs) {
        out.text(name, 0);
        out.varint(value.length);
        out.bytes(value);
      }
    }
  }
  out.u32(crc32(out.written()));
  return out.written();
}

function encodeContent(out: ByteWriter, entry: LayerEntry, dataEnd: number): number {
  out.varint(entry.size);
  let stored = entry.size;
  if (entry.extents !== undefined) {
    out.varint(entry.extents.length);
    let end = 0;
    stored = 0;
    for (const { offset, length } of entry.extents) {
      out.varint(offset - end);
      out.varint(length);
      end = offset + length;
      stored += length;
    }
  }
  if (stored === 0) return dataEnd;
  out.signed((entry.offset - dataEnd) / TAR_BLOCK);
  return blockEnd(entry.offset + stored);
}

/**
 * Reads an index file. Throws "corrupt" on anything that {@link encodeIndex} would not have written
 * (the CRC first), "unsupported" on another version of the format.
 */
export function decodeIndex(bytes: Uint8Array): LayerIndex {
  const crcAt = bytes.length - CRC_LENGTH;
  if (crcAt < HEADER_LENGTH + 1 || MAGIC.some((byte, at) => bytes[at] !== byte))
    throw new PlyError("corrupt", "not a layer index: its first bytes are wrong");
  const version = bytes[MAGIC.length];
  if (version !== VERSION)
    throw new PlyError("unsupported", `layer index of version ${version}, this ply reads ${VERSION}`, {
      hint: "remove the image and pull it again",
    });
  const crc = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(crcAt, true);
  if (crc32(bytes.subarray(0, crcAt)) !== crc)
    throw new PlyError("corrupt", "the layer index is damaged: its checksum does not match");
  const input = new ByteReader(bytes.subarray(0, crcAt), HEADER_LENGTH);
  const count = input.varint();
  if (count > (crcAt - HEADER_LENGTH) / MIN_ENTRY_LENGTH) throw damaged("more entries than bytes");
  const entries: LayerEntry[] = [];
  const state: DecodeState = { path: "", mode: 0, uid: 0, gid: 0, seconds: 0, dataEnd: 0 };
  for (let n = 0; n < count; n++) entries.push(decodeEntry(input, state));
  if (!input.atEnd()) throw damaged("bytes after the last entry");
  return { entries };
}

/** What an entry is coded against. */
interface DecodeState {
  path: string;
  mode: number;
  uid: number;
  gid: number;
  seconds: number;
  dataEnd: number;
}

function decodeEntry(input: ByteReader, state: DecodeState): LayerEntry {
  const flags = input.u8();
  const type = TYPES[flags & TYPE_MASK];
  if (type === undefined) throw damaged("an unknown entry type");
  const shared = input.varint();
  if (shared > state.path.length) throw damaged("a path that shares more than there is");
  const path = input.prefixed(state.path, shared, MAX_PATH_LENGTH);
  if (!extendsCleanly(path, shared) && !isCleanPath(path)) throw damaged("an unclean path");
  state.path = path;
  const entry = emptyEntry(path, type);
  if (path === "" && type !== "directory" && type !== "opaque") throw damaged("a root that is no directory");
  if (type === "hardlink") {
    entry.linkTarget = input.text(MAX_PATH_LENGTH);
    if (entry.linkTarget === "" || !isCleanPath(entry.linkTarget)) throw damaged("an unclean link target");
  }
  if (isBare(type)) {
    if ((flags & ~TYPE_MASK) !== 0) throw damaged("flags on an entry without attributes");
    return entry;
  }
  if ((flags & SAME_OWNER) === 0) {
    state.mode = bounded(input.varint(), 0o7777, "mode");
    state.uid = bounded(input.varint(), 0xffff_ffff, "uid");
    state.gid = bounded(input.varint(), 0xffff_ffff, "gid");
  }
  entry.mode = state.mode;
  entry.uid = state.uid;
  entry.gid = state.gid;
  state.seconds += input.signed();
  if (!Number.isSafeInteger(state.seconds)) throw damaged("a time out of range");
  entry.mtimeSeconds = state.seconds;
  if ((flags & HAS_NANOS) !== 0) entry.mtimeNanos = bounded(input.varint(), 999_999_999, "nanoseconds");
  if (type === "file") decodeContent(input, entry, state, (flags & HAS_EXTENTS) !== 0);
  else if (type === "symlink") {
    entry.linkTarget = input.text(MAX_TARGET_LENGTH);
    if (entry.linkTarget === "") throw damaged("an empty link target");
  } else if (type === "char" || type === "block") {
    entry.rdevMajor = bounded(input.varint(), 0xfff, "device major");
    entry.rdevMinor = bounded(input.varint(), 0xf_ffff, "device minor");
  }
  if ((flags & HAS_XATTRS) !== 0) entry.xattrs = decodeXattrs(input);
  return entry;
}

function decodeContent(input: ByteReader, entry: LayerEntry, state: DecodeState, sparse: boolean): void {
  entry.size = input.varint();
  let stored = entry.size;
  if (sparse) {
    const count = input.varint();
    if (count > input.remaining()) throw damaged("more extents than bytes");
    const extents: SparseExtent[] = [];
    let end = 0;
    stored = 0;
    for (let n = 0; n < count; n++) {
      const offset = end + input.varint();
      const length = input.varint();
      end = bounded(offset + length, entry.size, "extent");
      stored += length;
      extents.push({ offset, length });
    }
    entry.extents = extents;
  }
  if (stored === 0) return;
  entry.offset = state.dataEnd + input.signed() * TAR_BLOCK;
  if (entry.offset < 0 || entry.offset + stored > Number.MAX_SAFE_INTEGER - TAR_BLOCK)
    throw damaged("data out of range");
  state.dataEnd = blockEnd(entry.offset + stored);
}

function decodeXattrs(input: ByteReader): Map<string, Uint8Array> {
  const count = input.varint();
  if (count === 0 || count > input.remaining()) throw damaged("a wrong count of extended attributes");
  const xattrs = new Map<string, Uint8Array>();
  for (let n = 0; n < count; n++) {
    const name = input.text(255);
    xattrs.set(name, input.bytes(bounded(input.varint(), 65_535, "extended attribute")));
  }
  if (xattrs.size !== count) throw damaged("an extended attribute twice");
  return xattrs;
}

/**
 * True when a path is surely clean that begins with `shared` bytes of a clean one: the rest adds only to one name, and
 * not only dots. Spares most paths the whole check.
 */
function extendsCleanly(path: string, shared: number): boolean {
  let hasName = false;
  for (let n = shared; n < path.length; n++) {
    const unit = path.charCodeAt(n);
    if (unit === SLASH || unit === 0) return false;
    if (unit !== DOT) hasName = true;
  }
  return hasName && shared > 0;
}

/** Types of which only the path (and a link's target) matters. */
function isBare(type: LayerEntry["type"]): boolean {
  return type === "whiteout" || type === "opaque" || type === "hardlink";
}

function sharedLength(a: string, b: string): number {
  const max = Math.min(a.length, b.length);
  let n = 0;
  while (n < max && a.charCodeAt(n) === b.charCodeAt(n)) n++;
  return n;
}

function blockEnd(offset: number): number {
  return Math.ceil(offset / TAR_BLOCK) * TAR_BLOCK;
}

function bounded(value: number, max: number, what: string): number {
  if (value > max) throw damaged(`${what} ${value}, over ${max}`);
  return value;
}

function damaged(what: string): PlyError {
  return new PlyError("corrupt", `the layer index is damaged: ${what}`);
}
