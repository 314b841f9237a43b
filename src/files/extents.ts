import type { BigIntStats } from "node:fs";
import { nextDataRun } from "../linux/index.ts";
import { type SparseExtent, TAR_BLOCK } from "../tar/index.ts";

/** Holes of a smaller file are not worth a look. */
const SMALL_BYTES = 64 * 1024;

/**
 * The runs of an open file that hold data, within the size that `stat` says; undefined: it is to be read as a whole, there
 * being no holes, or more than `limit` runs.
 */
export function dataExtents(
  fd: number,
  { size, blocks }: BigIntStats,
  limit: number,
): SparseExtent[] | undefined {
  if (size < SMALL_BYTES || blocks * 512n >= size) return undefined;
  const end = Number(size);
  const extents: SparseExtent[] = [];
  for (let at = 0; at < end; ) {
    const run = nextDataRun(fd, at);
    if (run === undefined || run.start >= end) break;
    const length = Math.min(run.end, end) - run.start;
    extents.push({ offset: run.start, length });
    at = run.start + length;
    // Only the last may end within a block of the archive.
    if (extents.length > limit || (at < end && length % TAR_BLOCK !== 0)) return undefined;
  }
  return extents;
}
