import type { ChangeAspect } from "../layer/index.ts";

/** A change, and what is different: content, mode, owner, … */
export interface DetailedChange {
  /** Absolute path within the container. */
  readonly path: string;
  readonly kind: "modified" | "added" | "deleted";
  /** Of a modified path; empty: only what is below it changed. A directory's time is not looked at. */
  readonly aspects: readonly ChangeAspect[];
  readonly type: "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";
  /** Bytes of a file before and after; null where there is none. */
  readonly sizeBefore: number | null;
  readonly sizeAfter: number | null;
}
