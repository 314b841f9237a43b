import { PlyError } from "../error.ts";
import type { TarEntryType } from "./entry.ts";
import { isChecksumRight, readNumber, readString } from "./field.ts";
import { type PaxRecord, parsePaxNumber, parsePaxTime, xattrOf } from "./pax.ts";

/** One header block, as far as every kind of entry has it; numbers checked, names as byte strings. */
export interface RawHeader {
  path: string;
  linkTarget: string;
  /** The type flag, a byte. */
  readonly flag: number;
  mode: number;
  uid: number;
  gid: number;
  uname: string;
  gname: string;
  size: number;
  mtimeSeconds: number;
  mtimeNanos: number;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Uint8Array> | undefined;
}

/** Type flags (POSIX pax, ustar interchange format; the capitals are GNU's and Solaris'). */
export const FLAG = {
  oldFile: 0,
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  contiguous: 0x37,
  pax: 0x78,
  paxGlobal: 0x67,
  solarisPax: 0x58,
  gnuLongName: 0x4c,
  gnuLongLink: 0x4b,
  gnuSparse: 0x53,
  gnuDumpDirectory: 0x44,
  gnuMultiVolume: 0x4d,
  gnuVolumeName: 0x56,
} as const;

const MAGIC_AT = 257;
const XSTAR_MAGIC_AT = 508;

/** Decodes the header block at `start`. Throws "corrupt" (a wrong checksum, a bad number). */
export function decodeHeader(block: Buffer, start: number): RawHeader {
  if (!isChecksumRight(block, start)) throw new PlyError("corrupt", "tar: the header's checksum is wrong");
  const flag = block[start + 156] ?? 0;
  const magic = block.toString("latin1", start + MAGIC_AT, start + MAGIC_AT + 6);
  const isPosix = magic === "ustar\0";
  const isUstar = isPosix || magic === "ustar ";
  let path = readString(block, start, 100);
  if (isPosix && block[start + 345] !== 0) {
    // Star keeps two times behind a shorter prefix.
    const isStar = block.toString("latin1", start + XSTAR_MAGIC_AT, start + XSTAR_MAGIC_AT + 4) === "tar\0";
    const prefix = readString(block, start + 345, isStar ? 131 : 155);
    if (prefix !== "") path = `${prefix}/${path}`;
  }
  const isDevice = flag === FLAG.char || flag === FLAG.block;
  return {
    path,
    linkTarget: readString(block, start + 157, 100),
    flag,
    mode: readNumber(block, start + 100, 8, "mode") & 0o7777,
    uid: ownerId(readNumber(block, start + 108, 8, "uid"), "uid"),
    gid: ownerId(readNumber(block, start + 116, 8, "gid"), "gid"),
    uname: isUstar ? readString(block, start + 265, 32) : "",
    gname: isUstar ? readString(block, start + 297, 32) : "",
    size: readNumber(block, start + 124, 12, "size"),
    mtimeSeconds: readNumber(block, start + 136, 12, "mtime"),
    mtimeNanos: 0,
    devMajor: isUstar && isDevice ? readNumber(block, start + 329, 8, "device major") : 0,
    devMinor: isUstar && isDevice ? readNumber(block, start + 337, 8, "device minor") : 0,
    xattrs: undefined,
  };
}

/** An owner as the kernel counts it; writers with signed ids give negative ones for the upper half. */
function ownerId(value: number, what: string): number {
  if (value < -0x80000000 || value > 0xffffffff)
    throw new PlyError("corrupt", `tar: ${what} ${value} is not a 32-bit id`);
  return value < 0 ? value + 0x1_0000_0000 : value;
}

/** Applies PAX records in order; an empty value leaves what the header says. Throws "corrupt". */
export function applyPax(header: RawHeader, records: readonly PaxRecord[]): void {
  for (const record of records) {
    const { key, value } = record;
    switch (key) {
      case "path":
        if (value.length > 0) header.path = nameOf(key, value);
        break;
      case "linkpath":
        if (value.length > 0) header.linkTarget = nameOf(key, value);
        break;
      case "size":
        if (value.length > 0) header.size = parsePaxNumber(key, value.toString("latin1"));
        break;
      case "uid":
        if (value.length > 0) header.uid = ownerId(parsePaxNumber(key, value.toString("latin1")), key);
        break;
      case "gid":
        if (value.length > 0) header.gid = ownerId(parsePaxNumber(key, value.toString("latin1")), key);
        break;
      case "uname":
        if (value.length > 0) header.uname = nameOf(key, value);
        break;
      case "gname":
        if (value.length > 0) header.gname = nameOf(key, value);
        break;
      case "mtime":
        if (value.length > 0) {
          const time = parsePaxTime(value.toString("latin1"));
          header.mtimeSeconds = time.seconds;
          header.mtimeNanos = time.nanos;
        }
        break;
      case "SCHILY.devmajor":
        if (value.length > 0) header.devMajor = parsePaxNumber(key, value.toString("latin1"));
        break;
      case "SCHILY.devminor":
        if (value.length > 0) header.devMinor = parsePaxNumber(key, value.toString("latin1"));
        break;
      default: {
        const xattr = xattrOf(record);
        if (xattr === undefined) break;
        header.xattrs ??= new Map();
        if (xattr.weak && header.xattrs.has(xattr.name)) break;
        // A copy: the record's bytes belong to a buffer that is used again.
        header.xattrs.set(xattr.name, Uint8Array.from(xattr.value));
      }
    }
  }
}

function nameOf(key: string, value: Buffer): string {
  if (value.includes(0)) throw new PlyError("corrupt", `tar: PAX ${key} holds a NUL`);
  return value.toString("latin1");
}

/**
 * What a flag means for those who read entries; undefined for bookkeeping entries that have none.
 * Unknown flags are files, as POSIX asks for.
 */
export function entryTypeOf(header: RawHeader): TarEntryType | undefined {
  switch (header.flag) {
    case FLAG.hardlink:
      return "hardlink";
    case FLAG.symlink:
      return "symlink";
    case FLAG.char:
      return "char";
    case FLAG.block:
      return "block";
    case FLAG.directory:
    case FLAG.gnuDumpDirectory:
      return "directory";
    case FLAG.fifo:
      return "fifo";
    case FLAG.gnuVolumeName:
      return undefined;
    case FLAG.gnuMultiVolume:
      throw new PlyError("unsupported", "tar: a file continued from another volume", {
        hint: "join the volumes into one archive",
      });
    case FLAG.oldFile:
    case FLAG.file:
      // Archives from before type 5 mark directories by a slash.
      return header.path.endsWith("/") && header.size === 0 ? "directory" : "file";
    default:
      return "file";
  }
}

/** Whether an entry with this flag is followed by data; links and devices may state a size and have none. */
export function hasData(flag: number): boolean {
  return !(flag >= FLAG.hardlink && flag <= FLAG.fifo);
}
