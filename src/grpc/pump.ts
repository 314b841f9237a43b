import type { Duplex } from "node:stream";
import { PlyError } from "../error.ts";
import { frameOf } from "./frame.ts";

/** Enough for one write: what comes in one turn of the event loop goes out as one, up to this. */
const BATCH_BYTES = 64 * 1024;

/**
 * Writes messages to a stream at its pace; many small ones that come at once, in one piece. Leaves the stream open.
 * Throws what `messages` throws, "cancelled" when the stream is gone.
 */
export async function pumpMessages(stream: Duplex, messages: AsyncIterable<Uint8Array>): Promise<void> {
  let batch: Uint8Array[] = [];
  let size = 0;
  let later: NodeJS.Immediate | undefined;
  const flush = (): void => {
    clearImmediate(later);
    later = undefined;
    if (batch.length === 0) return;
    const bytes = batch.length === 1 ? batch[0] : Buffer.concat(batch, size);
    batch = [];
    size = 0;
    if (!isGone(stream)) stream.write(bytes);
  };
  try {
    for await (const message of messages) {
      const frame = frameOf(message);
      batch.push(frame);
      size += frame.length;
      if (size >= BATCH_BYTES) flush();
      else later ??= setImmediate(flush);
      if (stream.writableNeedDrain) await drained(stream);
      if (isGone(stream)) throw new PlyError("cancelled", "the other side is gone");
    }
    flush();
  } finally {
    clearImmediate(later);
  }
}

function isGone(stream: Duplex): boolean {
  return stream.destroyed || stream.closed || stream.writableEnded;
}

function drained(stream: Duplex): Promise<void> {
  if (isGone(stream)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ["drain", "close", "error"]) stream.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "error"]) stream.on(event, done);
  });
}
