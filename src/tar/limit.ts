/** Bytes of a tar block; headers and data start at multiples of it. */
export const TAR_BLOCK = 512;

/** One PAX extended header. Real ones are a few hundred bytes; xattrs are at most 64 KiB each. */
export const MAX_PAX_BYTES = 1024 * 1024;

/** One GNU long name or long link body. Linux stops at 4,096. */
export const MAX_LONG_NAME_BYTES = 64 * 1024;

/** Entries of one archive. Each costs memory when indexed; the largest layers in the field have some 500,000. */
export const MAX_ENTRIES = 4_000_000;

/** Names, link targets and xattrs of one archive together: what its index holds in memory. */
export const MAX_METADATA_BYTES = 512 * 1024 * 1024;

/** Runs of data of all sparse files of one archive. */
export const MAX_SPARSE_EXTENTS = 1_000_000;

/** Holes of all sparse files of one archive: readers go through them. The largest file of ext4. */
export const MAX_HOLE_BYTES = 2 ** 44;
