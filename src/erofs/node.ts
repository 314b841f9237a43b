/**
 * An inode of the tree to write. A hard link is the same object under several names. All names and link
 * targets are byte strings (latin1), sorted by code unit wherever order matters.
 */
export interface ErofsNode {
  type: "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  /** 0 to 999,999,999. */
  mtimeNanos: number;
  /** Bytes, for files; else 0. */
  size: number;
  linkTarget: string;
  rdevMajor: number;
  rdevMinor: number;
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Where a file's bytes are; null for an empty file and for everything else. */
  data: ErofsData | null;
  /** Null unless a directory. */
  children: Map<string, ErofsNode> | null;
}

/** A file's bytes in one device (a tar). */
export interface ErofsData {
  /** Index into the devices given to the writer, from 0. */
  device: number;
  /** Byte offset in the device; a multiple of 512. */
  offset: number;
  /** For sparse files: runs of data, which follow each other in the device from `offset` on. */
  extents?: readonly { readonly offset: number; readonly length: number }[];
}
