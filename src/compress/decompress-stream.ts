import { openIsal } from "../linux/index.ts";
import { createDecompressor } from "./create.ts";
import type { OutputSink } from "./decompressor.ts";
import { type Compression, DETECT_BYTES, detectCompression } from "./detect.ts";

/** Bytes of one piece of output. */
const PIECE_BYTES = 256 * 1024;

/**
 * Inflates a stream whose compression is told by its first bytes (or given). Holds what one chunk of input
 * inflates to, some 1,000 times its size for a bomb: the reader has to bound what it takes, and chunks are
 * cut into {@link INPUT_BYTES}. Pieces belong to the reader. Throws as {@link createDecompressor} does.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  compression?: Compression,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  let isDone = false;
  const pull = async (): Promise<Uint8Array | undefined> => {
    const step = await iterator.next();
    if (step.done !== true) return step.value;
    isDone = true;
    return undefined;
  };
  try {
    let head: Uint8Array = new Uint8Array(0);
    while (!isDone && head.length < DETECT_BYTES) {
      const chunk = await pull();
      if (chunk !== undefined) head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    }
    const kind = compression ?? detectCompression(head);
    if (kind === "none") {
      if (head.length > 0) yield head;
      for (let chunk = await pull(); chunk !== undefined; chunk = await pull()) yield chunk;
    } else yield* inflateAll(head, pull, kind);
  } finally {
    if (!isDone) await iterator.return?.();
  }
}

/** Small, so that a bomb can make no more than some 64 MB of it at once. */
const INPUT_BYTES = 64 * 1024;

async function* inflateAll(
  head: Uint8Array,
  pull: () => Promise<Uint8Array | undefined>,
  kind: Compression,
): AsyncGenerator<Uint8Array, void, void> {
  const decompressor = createDecompressor(kind, kind === "gzip" ? openIsal() : undefined);
  let pieces: Uint8Array[] = [];
  let piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  const sink: OutputSink = {
    space: () => piece.subarray(filled),
    advance: (bytes) => {
      filled += bytes;
      if (filled === piece.length) flush();
    },
  };
  const flush = (): void => {
    if (filled > 0) pieces.push(piece.subarray(0, filled));
    piece = new Uint8Array(PIECE_BYTES);
    filled = 0;
  };
  const taken = (): Uint8Array[] => {
    const full = pieces;
    pieces = [];
    return full;
  };
  try {
    for (let chunk: Uint8Array | undefined = head; chunk !== undefined; chunk = await pull())
      for (let at = 0; at < chunk.length; at += INPUT_BYTES) {
        await decompressor.push(chunk.subarray(at, at + INPUT_BYTES), sink);
        yield* taken();
      }
    await decompressor.end(sink);
    flush();
    yield* taken();
  } finally {
    decompressor.close();
  }
}
