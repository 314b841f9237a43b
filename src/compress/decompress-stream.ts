import { openIsal } from "../linux/index.ts";
import { createDecompressor } from "./create.ts";
import type { OutputSink } from "./decompressor.ts";
import { type Compression, DETECT_BYTES, detectCompression } from "./detect.ts";

/** Bytes of one piece of output. */
const PIECE_BYTES = 256 * 1024;

/**
 * Inflates a stream whose compression is told by its first bytes (or given), no faster than it is read; at
 * most some 5 MB are held, for a bomb. Pieces belong to the reader. Throws as {@link createDecompressor} does.
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

/** ISA-L inflates all it is given at once, to at most 1,030 times its size. */
const INPUT_BYTES = 4 * 1024;

async function* inflateAll(
  head: Uint8Array,
  pull: () => Promise<Uint8Array | undefined>,
  kind: Compression,
): AsyncGenerator<Uint8Array, void, void> {
  const decompressor = createDecompressor(kind, kind === "gzip" ? openIsal() : undefined);
  const sink = createPieceSink();
  try {
    for (let chunk: Uint8Array | undefined = head; chunk !== undefined; chunk = await pull())
      for (let at = 0; at < chunk.length; at += INPUT_BYTES)
        yield* sink.during(decompressor.push(chunk.subarray(at, at + INPUT_BYTES), sink));
    yield* sink.during(decompressor.end(sink));
    yield* sink.rest();
  } catch (error) {
    // What was there before the fault may say what it was meant to be.
    yield* sink.rest();
    throw error;
  } finally {
    decompressor.close();
  }
}

interface PieceSink extends OutputSink {
  /** The pieces that some work makes, until it is done. */
  during(work: Promise<void> | undefined): AsyncGenerator<Uint8Array, void, void>;
  /** The last, unfilled piece. */
  rest(): Uint8Array[];
}

function createPieceSink(): PieceSink {
  let pieces: Uint8Array[] = [];
  let piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  /** Called when a piece is there; when the pieces there are have been read. */
  let onPiece: (() => void) | undefined;
  let onRead: (() => void) | undefined;
  const cut = (): void => {
    if (filled > 0) pieces.push(piece.subarray(0, filled));
    piece = new Uint8Array(PIECE_BYTES);
    filled = 0;
  };
  const take = (): Uint8Array[] => {
    const taken = pieces;
    pieces = [];
    return taken;
  };
  return {
    space: () => piece.subarray(filled),
    advance: (bytes) => {
      filled += bytes;
      if (filled < piece.length) return;
      cut();
      onPiece?.();
    },
    pause: () =>
      pieces.length === 0
        ? undefined
        : new Promise((resolve) => {
            onRead = resolve;
          }),
    during: async function* (work) {
      let isDone = work === undefined;
      const done = work?.finally(() => {
        isDone = true;
      });
      // Thrown by the wait at the end, whether or not one is under way when it happens.
      done?.catch(() => undefined);
      while (!isDone) {
        if (pieces.length === 0)
          await Promise.race([
            done,
            new Promise<void>((resolve) => {
              onPiece = resolve;
            }),
          ]);
        yield* take();
        onRead?.();
      }
      await done;
      yield* take();
    },
    rest: () => {
      cut();
      return take();
    },
  };
}
