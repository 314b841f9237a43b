import { PlyError } from "../error.ts";
import type { ErofsData } from "./node.ts";

/** Size of one entry of the chunk index (a block address). */
const INDEX_ENTRY_LENGTH = 4;
/** 1 GiB; larger chunks gain nothing. */
const MAX_CHUNK_BITS = 30;
/** Index and copied pieces of one file in the metadata image; beyond this the sparse map is not a real one. */
const MAX_COST = 16 * 1024 * 1024;

/** Where one chunk of a sparse file is: a hole, a place in the device, or bytes to be copied into the image. */
export type Chunk =
  | { readonly kind: "hole" }
  | { readonly kind: "device"; readonly offset: number }
  | { readonly kind: "copy"; readonly length: number; readonly pieces: readonly Piece[] };

/** One for all: a file may have millions. */
const HOLE: Chunk = { kind: "hole" };

/** A run of a copied chunk's bytes. All in bytes: from the chunk's start, in the device, length. */
export interface Piece {
  readonly at: number;
  readonly offset: number;
  readonly length: number;
}

export interface ChunkPlan {
  /** log2 of the chunk size. */
  readonly bits: number;
  readonly chunks: readonly Chunk[];
}

/** Data runs of a file: bytes in the file, bytes in the device. Neighbours are joined. */
interface Run {
  readonly start: number;
  readonly length: number;
  readonly offset: number;
}

/**
 * Cuts a sparse file into equal chunks, each a hole, a place in the device on its block grid, or (where data begin or
 * end inside a chunk, or lie off the grid) copied. Takes the power of two that costs the image least.
 * Throws "limit" when even that is over 16 MiB.
 */
export function planChunks(size: number, data: ErofsData, blockBits: number): ChunkPlan {
  const runs = runsOf(data);
  let bits = blockBits;
  let best = Number.POSITIVE_INFINITY;
  for (let candidate = blockBits; candidate <= MAX_CHUNK_BITS; candidate++) {
    const cost = costOf(size, runs, 2 ** candidate, 2 ** blockBits);
    if (cost < best) [bits, best] = [candidate, cost];
  }
  if (best > MAX_COST)
    throw new PlyError(
      "limit",
      `a sparse file of ${size} bytes in ${runs.length} pieces would need ${best} bytes of metadata, over ${MAX_COST}`,
    );
  return { bits, chunks: cut(size, runs, 2 ** bits, 2 ** blockBits) };
}

function runsOf(data: ErofsData): Run[] {
  const runs: Run[] = [];
  let { offset } = data;
  for (const { offset: start, length } of data.extents ?? []) {
    const last = runs.at(-1);
    if (length === 0) continue;
    if (last !== undefined && last.start + last.length === start)
      runs[runs.length - 1] = { ...last, length: last.length + length };
    else runs.push({ start, length, offset });
    offset += length;
  }
  return runs;
}

/** Bytes of index and of copied chunks; a chunk that two runs share is counted twice. */
function costOf(size: number, runs: readonly Run[], chunk: number, block: number): number {
  let copied = 0;
  for (const run of runs) {
    const end = run.start + run.length;
    const first = Math.floor(run.start / chunk);
    const afterLast = Math.ceil(end / chunk);
    const isOnGrid = (run.offset - run.start) % block === 0;
    const firstWhole = isOnGrid ? Math.ceil(run.start / chunk) : afterLast;
    const afterWhole = end >= size ? afterLast : Math.floor(end / chunk);
    copied += afterLast - first - Math.max(0, afterWhole - firstWhole);
  }
  return Math.ceil(size / chunk) * INDEX_ENTRY_LENGTH + copied * chunk;
}

function cut(size: number, runs: readonly Run[], chunk: number, block: number): Chunk[] {
  const chunks: Chunk[] = [];
  let next = 0;
  for (let start = 0; start < size; start += chunk) {
    const end = Math.min(start + chunk, size);
    const pieces: Piece[] = [];
    for (let n = next; ; n++) {
      const run = runs[n];
      if (run === undefined || run.start >= end) break;
      const runEnd = run.start + run.length;
      if (runEnd <= end) next = n + 1;
      const from = Math.max(start, run.start);
      const to = Math.min(end, runEnd);
      if (to > from)
        pieces.push({ at: from - start, offset: run.offset + from - run.start, length: to - from });
    }
    const [piece] = pieces;
    if (piece === undefined) chunks.push(HOLE);
    else if (piece.length === end - start && piece.offset % block === 0)
      chunks.push({ kind: "device", offset: piece.offset });
    else chunks.push({ kind: "copy", length: end - start, pieces });
  }
  return chunks;
}
