import { readFile, rm, writeFile } from "node:fs/promises";
import { decompress, detectCompression } from "../../compress/index.ts";
import { PlyError, throwIfAborted } from "../../error.ts";
import { type DiffId, digestOf } from "../../oci/index.ts";
import type { LayerIngest } from "../../store/index.ts";
import { readTar } from "../../tar/index.ts";

/** The ingest pipeline's contract without its threads, for small layers in tests. Keeps part files; writes no real index. */
export const plainIngest: LayerIngest = async (job, open, options = {}) => {
  const { signal = new AbortController().signal } = options;
  const chunks: Uint8Array[] = [];
  try {
    const kept = job.partPath === undefined ? undefined : await readFile(job.partPath).catch(() => undefined);
    if (kept !== undefined) chunks.push(kept);
    let length = kept?.length ?? 0;
    for await (const chunk of await open(length, signal)) {
      throwIfAborted(signal);
      chunks.push(Uint8Array.from(chunk));
      length += chunk.length;
      options.onProgress?.(length);
    }
    throwIfAborted(signal);
    options.onVerifying?.();
    const packed = Buffer.concat(chunks);
    const digest = digestOf(packed);
    if (job.digest !== undefined && job.digest !== digest)
      throw new PlyError("corrupt", `digest ${digest}, not ${job.digest}`);
    const pieces: Uint8Array[] = [];
    for await (const piece of decompress(oneChunk(packed))) pieces.push(piece);
    const tar = Buffer.concat(pieces);
    const diffId = digestOf(tar) as DiffId;
    if (job.diffId !== undefined && job.diffId !== diffId)
      throw new PlyError("corrupt", `DiffID ${diffId}, not ${job.diffId}`);
    let entryCount = 0;
    let contentSize = 0;
    for await (const { entry } of readTar(oneChunk(tar))) {
      entryCount++;
      contentSize += entry.size;
    }
    await writeFile(job.tarPath, tar);
    await writeFile(job.indexPath, "");
    if (job.partPath !== undefined) await rm(job.partPath, { force: true });
    return {
      digest,
      size: packed.length,
      diffId,
      tarSize: tar.length,
      compression: detectCompression(packed.subarray(0, 10)),
      entryCount,
      contentSize,
    };
  } catch (error) {
    const received = Buffer.concat(chunks);
    if (
      job.partPath !== undefined &&
      received.length > 0 &&
      !(error instanceof PlyError && error.kind === "corrupt")
    )
      await writeFile(job.partPath, received);
    throw error;
  }
};

export async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
