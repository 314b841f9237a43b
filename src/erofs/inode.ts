import { PlyError } from "../error.ts";
import { damaged, safe } from "./damage.ts";
import { COMPACT, EXTENDED, EXTENDED_LENGTH, FILE_TYPES, type FileType, MODE_TYPE_MASK } from "./format.ts";
import type { Superblock } from "./superblock.ts";
import { xattrLengthOf } from "./xattr.ts";

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

export interface InodeStorage {
  readonly layout: number;
  readonly union: number;
  /** Bytes from the image's start to behind the inode, and of the attributes there. */
  readonly behind: number;
  readonly xattrLength: number;
}

/** The inode at `at`: 32 bytes for a compact one, 64 for an extended one. */
export function parseInode(bytes: Buffer, nid: number, at: number, superblock: Superblock): ErofsInode {
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
