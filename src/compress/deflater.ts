import * as zlib from "node:zlib";

/** Input of one block. The blocks do not depend on the number of threads, so neither do the bytes. */
export const BLOCK_BYTES = 512 * 1024;
/** How far back deflate may refer (RFC 1951, 2): what a block gets of the one before. */
export const WINDOW_BYTES = 32 * 1024;

/** A block of a deflate stream (RFC 1951) that goes on behind it. */
export interface DeflateBlock {
  /** At most {@link BLOCK_BYTES}. */
  readonly input: Uint8Array;
  /** At most {@link WINDOW_BYTES} that stand before it; may be empty. */
  readonly dictionary: Uint8Array;
  /** 0 to 9; absent: the deflater's usual one. */
  readonly level?: number | undefined;
}

/** Deflates blocks, several at once; each ends on a byte. The same block gives the same bytes. */
export interface Deflater {
  /** The block is not to be changed until this settles; the result is the caller's. */
  deflate(block: DeflateBlock): Promise<Uint8Array>;
}

/** As Docker has it. */
const ZLIB_LEVEL = 6;

/** By zlib, which has threads of its own under Node and Bun. */
export const zlibDeflater: Deflater = {
  deflate: ({ input, dictionary, level = ZLIB_LEVEL }) =>
    new Promise((resolve, reject) => {
      const options: zlib.ZlibOptions = {
        level,
        chunkSize: BLOCK_BYTES,
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
        ...(dictionary.length === 0 ? {} : { dictionary }),
      };
      zlib.deflateRaw(input, options, (error, result) => (error === null ? resolve(result) : reject(error)));
    }),
};
