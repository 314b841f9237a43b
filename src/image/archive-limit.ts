import { decompress } from "../compress/index.ts";
import { PlyError } from "../error.ts";
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from "../layer/index.ts";

/**
 * An archive inflated, no faster than it is read. Throws "limit" when it grows out of all proportion: its layers come out
 * of it plain, so that nobody else could tell.
 */
export async function* inflateArchive(
  archive: AsyncIterable<Uint8Array>,
  { freeTarBytes, maxRatio }: Pick<IngestLimits, "freeTarBytes" | "maxRatio"> = DEFAULT_INGEST_LIMITS,
): AsyncGenerator<Uint8Array> {
  let compressed = 0;
  let inflated = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive) {
      compressed += chunk.length;
      yield chunk;
    }
  }
  for await (const chunk of decompress(counted())) {
    inflated += chunk.length;
    if (inflated > freeTarBytes && inflated > compressed * maxRatio)
      throw new PlyError(
        "limit",
        `the archive inflates to more than ${maxRatio} times its compressed size: ${inflated} bytes from ${compressed}`,
      );
    yield chunk;
  }
}
