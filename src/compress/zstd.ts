import * as zlib from "node:zlib";
import { PlyError } from "../error.ts";
import { inBlocks } from "./in-blocks.ts";

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
  let output: Uint8Array[] = [];
  compressor.on("data", (chunk: Buffer) => output.push(chunk));
  const failed = new Promise<never>((_, reject) => compressor.on("error", reject));
  // Waited for together with each step.
  failed.catch(() => undefined);
  const ended = new Promise<void>((resolve) => compressor.on("end", resolve));
  const taken = (): Uint8Array[] => {
    const full = output;
    output = [];
    return full;
  };
  try {
    // zstd cuts its blocks where its input is cut: even pieces give the same bytes for the same content.
    for await (const piece of inBlocks(source, CHUNK_BYTES)) {
      await Promise.race([new Promise<void>((resolve) => compressor.write(piece, () => resolve())), failed]);
      yield* taken();
    }
    compressor.end();
    await Promise.race([ended, failed]);
    yield* taken();
  } finally {
    compressor.destroy();
  }
}
