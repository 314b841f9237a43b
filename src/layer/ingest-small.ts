import { rm } from "node:fs/promises";
import { detectCompression } from "../compress/index.ts";
import { PlyError, throwIfAborted } from "../error.ts";
import type { IngestJob, IngestOptions, IngestResult, OpenStream } from "./ingest.ts";
import { brokenStream, closeIterator, interruptible, openIterator } from "./ingest-feed.ts";
import { keepWhole } from "./ingest-keep.ts";
import { exceededLimit, type IngestLimits } from "./ingest-limit.ts";
import { receiveError, sendError } from "./ingest-message.ts";

/** An uncompressed layer up to this size is taken in at once: waking threads would take longer. */
const SMALL_BYTES = 128 * 1024;

/**
 * Reads the beginning of a layer's stream, and takes the layer in when that is all of it and no compression is to be undone. Else the
 * same stream from its beginning. Not for streams that are gone on with later. Throws as the pool does.
 */
export async function takeSmall(
  job: IngestJob,
  open: OpenStream,
  { limits, signal, options }: { limits: IngestLimits; signal: AbortSignal; options: IngestOptions },
): Promise<IngestResult | OpenStream> {
  const unlessAborted = interruptible(signal);
  const head: Uint8Array[] = [];
  let size = 0;
  const stream = await openIterator(open(0, signal), unlessAborted);
  let isWhole = false;
  try {
    while (stream !== undefined && size <= SMALL_BYTES) {
      const next = await unlessAborted(stream.next());
      if (next === undefined) break;
      isWhole = next.done === true;
      if (next.done === true) break;
      // What it yields may be valid until the next one only.
      head.push(Buffer.from(next.value));
      size += next.value.length;
    }
  } catch (error) {
    throw brokenStream(error);
  } finally {
    if (signal.aborted && stream !== undefined && !isWhole) closeIterator(stream);
  }
  throwIfAborted(signal);
  const bytes = Buffer.concat(head);
  if (!isWhole || detectCompression(bytes) !== "none") return async () => continued(bytes, stream);
  options.onProgress?.(size);
  options.onVerifying?.();
  try {
    const problem = exceededLimit(limits, size, size);
    if (problem !== undefined) throw new PlyError("limit", problem);
    return { ...(await keepWhole(job, bytes)), compression: "none" };
  } catch (error) {
    for (const path of [job.tarPath, job.indexPath]) await rm(path, { force: true });
    throw receiveError(sendError(error));
  }
}

async function* continued(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield head;
    if (rest !== undefined) yield* { [Symbol.asyncIterator]: () => rest };
  } finally {
    if (rest !== undefined) closeIterator(rest);
  }
}
