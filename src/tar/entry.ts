/** What an entry is, after long names and PAX records were applied. */
export type TarEntryType = "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** One run of real data in a sparse file. All in bytes; `offset` is in the file, data follow each other in the tar. */
export interface SparseExtent {
  readonly offset: number;
  readonly length: number;
}

/**
 * One entry of a tar archive. Names are *byte strings*: each UTF-16 unit is one byte (latin1), since
 * tar names need not be UTF-8. They are as written in the archive: not cleaned, maybe absolute, maybe `../`.
 */
export interface TarEntry {
  readonly path: string;
  readonly type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  /** Whole seconds since 1970, floor; may be negative. */
  readonly mtimeSeconds: number;
  /** 0 to 999,999,999, added to `mtimeSeconds`. */
  readonly mtimeNanos: number;
  /** Bytes of the file's content; for a sparse file its real size, holes included. 0 where there is no content. */
  readonly size: number;
  /** Bytes of data in the archive (differs from `size` for sparse files only). */
  readonly storedSize: number;
  /** Byte offset of the data in the archive, a multiple of 512 (after a PAX 1.0 sparse map, of what follows it). */
  readonly dataOffset: number;
  /** Target of a symlink or hard link, a byte string. */
  readonly linkTarget: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Full name (`security.capability`) as a byte string → raw value. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Set for sparse files: the runs of data, ascending. */
  readonly extents?: readonly SparseExtent[];
}
