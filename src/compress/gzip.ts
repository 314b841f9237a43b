import { availableParallelism } from "node:os";
import * as zlib from "node:zlib";
import { BLOCK_BYTES, type DeflateBlock, type Deflater, WINDOW_BYTES, zlibDeflater } from "./deflater.ts";
import { inBlocks } from "./in-blocks.ts";
import { inOrder } from "./in-order.ts";

export interface GzipOptions {
  /** 0 to 9; the default is the deflater's. */
  readonly level?: number;
  /** The default is zlib. Each gives bytes of its own. */
  readonly deflater?: Deflater;
}

/** Blocks at work at once: beyond this the readers cannot follow, and each holds a megabyte. */
const MAX_PARALLEL = 8;

/** No name, no time, "unknown" system (RFC 1952, 2.3). */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** An empty last block with fixed codes. */
const LAST_BLOCK = Uint8Array.of(0x03, 0x00);

/**
 * Compresses into one gzip member with all cores, as pigz does: each block on its own, with the end of the one before as its
 * dictionary. The same input gives the same bytes, however it is cut into chunks. Chunks of the source are
 * copied. Stopping early returns the source.
 */
export async function* gzipStream(
  source: AsyncIterable<Uint8Array>,
  { level, deflater = zlibDeflater }: GzipOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const sum = { crc: 0, length: 0 };
  yield HEADER;
  yield* inOrder(withDictionaries(source, sum), (block) => deflater.deflate({ ...block, level }), {
    parallel: Math.min(MAX_PARALLEL, availableParallelism() + 1),
  });
  yield gzipTail(sum);
}

interface Sum {
  crc: number;
  /** Bytes. */
  length: number;
}

async function* withDictionaries(
  source: AsyncIterable<Uint8Array>,
  sum: Sum,
): AsyncGenerator<DeflateBlock, void, void> {
  let dictionary = new Uint8Array(0);
  for await (const input of inBlocks(source, BLOCK_BYTES)) {
    sum.crc = zlib.crc32(input, sum.crc);
    sum.length += input.length;
    yield { input, dictionary };
    dictionary = input.subarray(Math.max(0, input.length - WINDOW_BYTES));
  }
}

/** The end of the data and of the member (RFC 1952, 2.3.1): `length` modulo 2 to the 32. */
export function gzipTail({ crc, length }: Readonly<Sum>): Uint8Array {
  const tail = new Uint8Array(LAST_BLOCK.length + 8);
  tail.set(LAST_BLOCK);
  const view = new DataView(tail.buffer);
  view.setUint32(LAST_BLOCK.length, crc, true);
  view.setUint32(LAST_BLOCK.length + 4, length % 2 ** 32, true);
  return tail;
}
