import { open as openFile } from "node:fs/promises";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import type { IngestJob, OpenStream } from "./ingest.ts";
import { type SharedView, SLOT_BYTES } from "./ingest-shared.ts";

/** Less than this is not worth waking threads for, unless it is the end. */
const MIN_PUBLISH_BYTES = 64 * 1024;

export interface FeedOptions {
  readonly job: IngestJob;
  readonly partSize: number;
  readonly open: OpenStream;
  /** Aborted when the layer is given up. */
  readonly signal: AbortSignal;
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/**
 * The main thread's work: puts the part file, then the stream, into the input ring; waits while it is full.
 * Returns early when the layer is given up. What came before a failure is in the ring. Throws what the
 * source throws, "unavailable" for a stream that is too short, "corrupt" for one that is too long.
 */
export async function feedLayer(shared: SharedView, options: FeedOptions): Promise<void> {
  const { job, partSize, open, signal } = options;
  const isWhole = job.size !== undefined && partSize === job.size;
  // Asked for now, so that the connection is there when the part has been read.
  const opening = isWhole ? undefined : open(partSize, signal);
  opening?.catch(() => undefined);
  const unlessAborted = interruptible(signal);
  const writer = createSlotWriter(shared, unlessAborted);
  let bytes = 0;
  const take = async (chunk: Uint8Array): Promise<void> => {
    bytes += chunk.length;
    if (job.size !== undefined && bytes > job.size)
      throw new PlyError("corrupt", `the layer has more than the ${job.size} bytes it is said to have`);
    const waiting = writer.write(chunk);
    if (waiting !== undefined) await waiting;
    options.onProgress?.(bytes);
  };
  try {
    if (partSize > 0 && job.partPath !== undefined) await readPart(job.partPath, partSize, take, signal);
    if (opening !== undefined) await readStream(opening, take, unlessAborted);
  } finally {
    writer.flush();
  }
  if (signal.aborted) return;
  if (job.size !== undefined && bytes < job.size)
    throw new PlyError("unavailable", `the stream ended after ${bytes} of ${job.size} bytes`, {
      hint: "try again: it goes on from there",
    });
  shared.input.end("complete");
}

type Take = (chunk: Uint8Array) => Promise<void>;

async function readPart(path: string, size: number, take: Take, signal: AbortSignal): Promise<void> {
  const file = await openFile(path, "r");
  try {
    const buffer = new Uint8Array(SLOT_BYTES);
    for (let at = 0; at < size && !signal.aborted; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) throw new PlyError("internal", `${path} became shorter while it was read`);
      await take(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Waits for something; undefined if the layer is given up before. */
export type UnlessAborted = <T>(work: Promise<T>) => Promise<T | undefined>;

/** One listener for all that is waited for: a race with one promise would keep something of every step. */
export function interruptible(signal: AbortSignal): UnlessAborted {
  let wake: (() => void) | undefined;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  return (work) =>
    new Promise((resolve, reject) => {
      wake = () => resolve(undefined);
      if (signal.aborted) wake();
      work.then(resolve, reject);
    });
}

async function readStream(
  opening: Promise<AsyncIterable<Uint8Array>>,
  take: Take,
  unlessAborted: UnlessAborted,
): Promise<void> {
  const iterator = await openIterator(opening, unlessAborted);
  if (iterator === undefined) return;
  let isDone = false;
  try {
    for (;;) {
      const step = await unlessAborted(iterator.next());
      if (step === undefined) return;
      if (step.done === true) {
        isDone = true;
        return;
      }
      await take(step.value);
    }
  } catch (error) {
    throw brokenStream(error);
  } finally {
    // Not waited for: a stalled stream may never answer.
    if (!isDone) closeIterator(iterator);
  }
}

/** What a stream's failure is to the caller. */
export function brokenStream(error: unknown): PlyError {
  if (isPlyError(error)) return error;
  return new PlyError("unavailable", `the layer's stream broke: ${messageOf(error)}`, { cause: error });
}

/** Undefined if the layer is given up before the stream is there. */
export async function openIterator(
  opening: Promise<AsyncIterable<Uint8Array>>,
  unlessAborted: UnlessAborted,
): Promise<AsyncIterator<Uint8Array> | undefined> {
  const stream = await unlessAborted(opening);
  // It may still open: nobody will read it.
  if (stream === undefined)
    opening.then(
      (late) => closeIterator(late[Symbol.asyncIterator]()),
      () => undefined,
    );
  return stream?.[Symbol.asyncIterator]();
}

/** Not waited for. */
export function closeIterator(iterator: AsyncIterator<Uint8Array>): void {
  iterator.return?.().catch(() => undefined);
}

interface SlotWriter {
  /** Copies the chunk into slots; a promise while there is no room. */
  write(chunk: Uint8Array): Promise<void> | undefined;
  flush(): void;
}

function createSlotWriter(shared: SharedView, unlessAborted: UnlessAborted): SlotWriter {
  const { input } = shared;
  let slot: Uint8Array | undefined;
  let filled = 0;
  const flush = (): void => {
    if (slot !== undefined && filled > 0) input.publish(filled);
    slot = undefined;
    filled = 0;
  };
  /** Copies what there is room for; returns how far it came. */
  const put = (chunk: Uint8Array, from: number): number => {
    let at = from;
    while (at < chunk.length) {
      slot ??= input.slot();
      if (slot === undefined) return at;
      const step = Math.min(chunk.length - at, slot.length - filled);
      slot.set(at === 0 && step === chunk.length ? chunk : chunk.subarray(at, at + step), filled);
      filled += step;
      at += step;
      if (filled === slot.length) flush();
    }
    if (filled >= MIN_PUBLISH_BYTES && input.isStarved) flush();
    return at;
  };
  const putRest = async (chunk: Uint8Array, from: number): Promise<void> => {
    for (let at = from; at < chunk.length; ) {
      const seen = shared.bell();
      const next = put(chunk, at);
      if (next === at && (await unlessAborted(shared.waitAsync(seen).then(() => true))) === undefined) return;
      at = next;
    }
  };
  return {
    write: (chunk) => {
      const at = put(chunk, 0);
      return at === chunk.length ? undefined : putRest(chunk, at);
    },
    flush,
  };
}
