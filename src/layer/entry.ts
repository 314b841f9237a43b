import type { SparseExtent } from "../tar/index.ts";

/**
 * One change that a layer makes, as its index keeps it. Paths are cleaned byte strings (latin1): relative,
 * no `.` or `..` components, no trailing slash; the root itself is the empty string.
 */
export interface LayerEntry {
  path: string;
  /**
   * `whiteout` deletes `path` from the layers below; `opaque` hides everything below the directory `path`
   * (OCI image-spec, layer.md#whiteouts). Their marker names are gone from `path`.
   */
  type: "file" | "directory" | "symlink" | "hardlink" | "char" | "block" | "fifo" | "whiteout" | "opaque";
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  mtimeNanos: number;
  /** Bytes of content, holes included; 0 unless a file. */
  size: number;
  /** Byte offset of the content in layer.tar; 0 unless a file with content. */
  offset: number;
  extents?: readonly SparseExtent[];
  /** Symlink: target as written. Hard link: cleaned path of the target in the union. Else empty. */
  linkTarget: string;
  rdevMajor: number;
  rdevMinor: number;
  xattrs: ReadonlyMap<string, Uint8Array>;
}

/** The index of one layer: its entries in archive order (a later entry of the same path replaces an earlier one). */
export interface LayerIndex {
  readonly entries: readonly LayerEntry[];
}
