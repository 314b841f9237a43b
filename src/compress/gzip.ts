import { availableParallelism } from "node:os";
import * as zlib from "node:zlib";

export interface GzipOptions {
  /** 1 to 9; the default is 6, as Docker has it. */
  readonly level?: number;
}

/** Input per block. The blocks do not depend on the number of threads, so neither do the bytes. */
const BLOCK_BYTES = 512 * 1024;
/** How far back deflate may refer (RFC 1951, 2): what the next block gets as its dictionary. */
const WINDOW_BYTES = 32 * 1024;
/** Blocks at work at once: beyond this the readers cannot follow, and each holds a megabyte. */
const MAX_PARALLEL = 8;

/** No name, no time, "unknown" system (RFC 1952, 2.3). */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** An empty last block with fixed codes. */
const LAST_BLOCK = Uint8Array.of(0x03, 0x00);

/**
 * Compresses with all cores, as pigz does: each block on its own, with the end of the one before as its
 * dictionary. The same input gives the same bytes, however it is cut into chunks. Chunks of the source are
 * copied. Stopping early returns the source.
 */
export async function* gzipStream(
  source: AsyncIterable<Uint8Array>,
  options: GzipOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const level = options.level ?? 6;
  const parallel = Math.min(MAX_PARALLEL, availableParallelism() + 1);
  const inFlight: Promise<Uint8Array>[] = [];
  let crc = 0;
  let length = 0;
  let dictionary: Uint8Array | undefined;
  yield HEADER;
  try {
    for await (const block of inBlocks(source)) {
      if (inFlight.length >= parallel) yield await shift(inFlight);
      crc = zlib.crc32(block, crc);
      length += block.length;
      const job = deflateBlock(block, dictionary, level);
      // Seen again when its turn comes; until then nobody waits for it.
      job.catch(() => undefined);
      inFlight.push(job);
      dictionary = block.subarray(Math.max(0, block.length - WINDOW_BYTES));
    }
    while (inFlight.length > 0) yield await shift(inFlight);
  } finally {
    await Promise.allSettled(inFlight);
  }
  const tail = new Uint8Array(LAST_BLOCK.length + 8);
  tail.set(LAST_BLOCK);
  const view = new DataView(tail.buffer);
  view.setUint32(LAST_BLOCK.length, crc, true);
  view.setUint32(LAST_BLOCK.length + 4, length % 2 ** 32, true);
  yield tail;
}

function shift(queue: Promise<Uint8Array>[]): Promise<Uint8Array> {
  return queue.shift() ?? Promise.resolve(new Uint8Array(0));
}

async function* inBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let block = new Uint8Array(BLOCK_BYTES);
  let filled = 0;
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; ) {
      const step = Math.min(chunk.length - at, BLOCK_BYTES - filled);
      block.set(chunk.subarray(at, at + step), filled);
      at += step;
      filled += step;
      if (filled < BLOCK_BYTES) continue;
      yield block;
      block = new Uint8Array(BLOCK_BYTES);
      filled = 0;
    }
  if (filled > 0) yield block.subarray(0, filled);
}

function deflateBlock(
  block: Uint8Array,
  dictionary: Uint8Array | undefined,
  level: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const options: zlib.ZlibOptions = {
      level,
      chunkSize: BLOCK_BYTES,
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      ...(dictionary === undefined ? {} : { dictionary }),
    };
    zlib.deflateRaw(block, options, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
