/*
 * The numbers of the EROFS on-disk format that are used here (Linux fs/erofs/erofs_fs.h). Little endian.
 * Offsets are bytes within the structure they belong to.
 */

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_LENGTH = 128;
export const MAGIC = 0xe0f5e1e2;

export const SUPERBLOCK = {
  magic: 0,
  checksum: 4,
  featureCompat: 8,
  blockBits: 12,
  extraSlots: 13,
  rootNid: 14,
  inodeCount: 16,
  epoch: 24,
  epochNanos: 32,
  blocks: 36,
  metaBlock: 40,
  xattrBlock: 44,
  uuid: 48,
  featureIncompat: 80,
  deviceCount: 86,
  deviceSlot: 88,
  directoryBits: 90,
} as const;

export const COMPAT = { checksum: 0x1, mtime: 0x2 } as const;
export const INCOMPAT = { chunkedFile: 0x4, deviceTable: 0x8 } as const;

/** Device table. Slots are counted in units of their length from the image's start. */
export const DEVICE_SLOT_LENGTH = 128;
export const DEVICE = { tag: 0, tagLength: 64, blocks: 64, firstBlock: 68 } as const;
export const MAX_DEVICES = 0xffff;

/** The address that means "no block": a hole, or no whole block at all. */
export const NO_BLOCK = 0xffff_ffff;

export const SLOT_LENGTH = 32;
export const COMPACT_LENGTH = 32;
export const EXTENDED_LENGTH = 64;
export const EXTENDED = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  size: 8,
  union: 16,
  serial: 20,
  uid: 24,
  gid: 28,
  mtime: 32,
  mtimeNanos: 40,
  nlink: 44,
} as const;
export const COMPACT = {
  format: 0,
  xattrCount: 2,
  mode: 4,
  nlink: 6,
  size: 8,
  mtime: 12,
  union: 16,
  serial: 20,
  uid: 24,
  gid: 26,
} as const;

/** `i_format`: bit 0 extended, bits 1 to 3 the layout of the data. */
export const FORMAT_EXTENDED = 1;
export const LAYOUT = { flatPlain: 0, flatInline: 2, chunkBased: 4 } as const;
export type Layout = (typeof LAYOUT)[keyof typeof LAYOUT];

/** `i_u` of a chunk-based inode: log2(chunk / block) and whether the index has 8-byte entries with device ids. */
export const CHUNK_BITS_MASK = 0x1f;
export const CHUNK_INDEXES = 0x20;

export const DIRENT_LENGTH = 12;
export const MAX_NAME_LENGTH = 255;

export const XATTR_HEADER_LENGTH = 12;
export const XATTR_ENTRY_LENGTH = 4;
/** What `i_xattr_icount` (16 bits) can say. */
export const MAX_XATTR_BODY = 262_148;
/** Prefix of a name → its index; the rest of the name is stored. Of two that fit, the longer one. */
export const XATTR_PREFIXES: readonly (readonly [index: number, prefix: string, whole: boolean])[] = [
  [1, "user.", false],
  [2, "system.posix_acl_access", true],
  [3, "system.posix_acl_default", true],
  [4, "trusted.", false],
  [6, "security.", false],
];

/** Type bits of `i_mode` and the type byte of a dirent, by our name of the type. */
export const FILE_TYPES = {
  file: { mode: 0o100000, dirent: 1 },
  directory: { mode: 0o040000, dirent: 2 },
  char: { mode: 0o020000, dirent: 3 },
  block: { mode: 0o060000, dirent: 4 },
  fifo: { mode: 0o010000, dirent: 5 },
  socket: { mode: 0o140000, dirent: 6 },
  symlink: { mode: 0o120000, dirent: 7 },
} as const;
export type FileType = keyof typeof FILE_TYPES;
export const MODE_TYPE_MASK = 0o170000;

/** The next multiple of `unit` (any positive number; values up to 2^53). */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
