import type { IncomingMessage } from "node:http";
import { PlyError } from "../error.ts";
import { connectionFailure, startStallClock } from "./connection-failure.ts";

/** TLS gives records of 16 KiB; whoever hands pieces to another thread wants fewer. Bytes. */
const MIN_CHUNK_BYTES = 64 * 1024;

export interface StreamContext {
  readonly url: URL;
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called once, at the end however it comes. */
  readonly release: () => void;
}

/**
 * The body, small pieces joined. A break throws what connectionFailure makes of it, after all bytes that
 * came. The stall clock runs only while a byte is waited for, not while the reader is busy.
 */
export async function* streamBody(
  message: IncomingMessage,
  { url, stallTimeoutMs, signal, release }: StreamContext,
): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = message[Symbol.asyncIterator]();
  const clock = startStallClock(stallTimeoutMs, (error) => message.destroy(error));
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const takeHeld = (): Uint8Array => {
    const [only] = held;
    const joined = held.length === 1 && only !== undefined ? only : join(held, heldBytes);
    held = [];
    heldBytes = 0;
    return joined;
  };
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try {
        clock.touch();
        next = await chunks.next();
      } catch (error) {
        clock.pause();
        if (heldBytes > 0 && signal?.aborted !== true) yield takeHeld();
        throw connectionFailure(error, url, signal);
      }
      clock.pause();
      if (next.done === true) break;
      held.push(next.value);
      heldBytes += next.value.byteLength;
      if (heldBytes >= MIN_CHUNK_BYTES) yield takeHeld();
    }
    if (heldBytes > 0) yield takeHeld();
  } finally {
    clock.stop();
    await chunks.return?.();
    release();
  }
}

/** Reads a small body whole. Throws "limit" as soon as it is known to be too long. */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  contentLength: string | undefined,
  maxBytes: number,
  what: string,
): Promise<Uint8Array> {
  const tooLong = (): PlyError =>
    new PlyError("limit", `${what} is longer than the ${maxBytes} bytes that are accepted`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const announced = Number(contentLength ?? 0);
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > maxBytes || announced > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return join(chunks, length);
}

/** In a buffer of its own, which may be transferred: Buffer.concat takes small ones from a shared pool. */
function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}
