import type { PlyFile } from "./ply.ts";

/** One of `GET /ply/places/{name}/list?path=`: an entry of a directory of a container, image or volume. */
export interface PlyPlaceEntry
  extends Pick<PlyFile, "type" | "mode" | "uid" | "gid" | "size" | "linkTarget"> {
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
}

/** One of `GET /ply/containers/{name}/changes`: what a container changed of its image's files, and in what way. */
export interface PlyChange {
  /** Absolute. */
  readonly path: string;
  readonly kind: "added" | "modified" | "deleted";
  /** Of a modified path: `type` `content` `mode` `owner` `mtime` `xattr` `link` `device`; empty: only what is below it changed. */
  readonly aspects: readonly string[];
  readonly type: PlyFile["type"];
  /** Bytes before and after; null where there is no file. */
  readonly sizeBefore: number | null;
  readonly sizeAfter: number | null;
}
