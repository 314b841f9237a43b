import { Duplex } from "node:stream";

/** A connection whose bytes come and go as messages of a call. */
export interface StreamSocket {
  readonly socket: Duplex;
  /** What is to be sent; ends with the connection. */
  readonly messages: AsyncIterable<{ readonly data: Uint8Array }>;
}

/** Far more than is on the way at a time: HTTP/2 within it has windows of its own. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** A connection within a call (`Control.Session`): clients that have one connection for all open their sessions so. */
export function socketOver(received: AsyncIterable<{ readonly data: Uint8Array }>): StreamSocket {
  const incoming = received[Symbol.asyncIterator]();
  const outgoing: { readonly bytes: Uint8Array; readonly taken: () => void }[] = [];
  let wake = (): void => undefined;
  let isReading = false;
  const read = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    try {
      for (let wantsMore = true; wantsMore; ) {
        const next = await incoming.next();
        if (next.done === true) {
          socket.push(null);
          return;
        }
        wantsMore = socket.push(next.value.data);
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      isReading = false;
    }
  };
  const socket = new Duplex({
    highWaterMark: HIGH_WATER_BYTES,
    allowHalfOpen: false,
    read: () => void read(),
    write(chunk: Uint8Array, _encoding, done) {
      outgoing.push({ bytes: chunk, taken: done });
      wake();
    },
    destroy(error, done) {
      wake();
      done(error);
    },
  });
  socket.on("finish", () => wake());
  socket.on("error", () => {});
  return {
    socket,
    messages: (async function* () {
      try {
        while (!socket.destroyed) {
          const next = outgoing.shift();
          if (next !== undefined) {
            yield { data: next.bytes };
            next.taken();
          } else if (socket.writableFinished) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        socket.destroy();
      }
    })(),
  };
}
