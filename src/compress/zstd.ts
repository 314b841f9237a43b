import { pipeline, Readable } from "node:stream";
import * as zlib from "node:zlib";
import { PlyError } from "../error.ts";

export interface ZstdOptions {
  /** 1 to 22; the default is 3, as zstd and BuildKit have it. */
  readonly level?: number;
}

const CHUNK_BYTES = 256 * 1024;

/** Compresses with zstd, checksummed; the same input gives the same bytes. Throws "unsupported" where Node is too old. */
export async function* zstdStream(
  source: AsyncIterable<Uint8Array>,
  options: ZstdOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  if (zlib.createZstdCompress === undefined)
    throw new PlyError("unsupported", "this Node cannot write zstd", {
      hint: "use Node 22.15 or later, or Bun",
    });
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
  const compressor = zlib.createZstdCompress({
    chunkSize: CHUNK_BYTES,
    params: { [ZSTD_c_compressionLevel]: options.level ?? 3, [ZSTD_c_checksumFlag]: 1 },
  });
  const input = Readable.from(inEvenChunks(source), { objectMode: true, highWaterMark: 2 });
  // The error, if any, comes out of the loop below.
  pipeline(input, compressor, () => undefined);
  try {
    for await (const chunk of compressor) yield chunk;
  } finally {
    input.destroy();
    compressor.destroy();
  }
}

/** zstd cuts its blocks where its input is cut: even pieces give the same bytes for the same content. */
async function* inEvenChunks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let piece = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; ) {
      const step = Math.min(chunk.length - at, CHUNK_BYTES - filled);
      piece.set(chunk.subarray(at, at + step), filled);
      at += step;
      filled += step;
      if (filled < CHUNK_BYTES) continue;
      yield piece;
      piece = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
  if (filled > 0) yield piece.subarray(0, filled);
}
