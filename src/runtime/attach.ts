import { closeSync } from "node:fs";
import { PlyError } from "../error.ts";
import { connectSeqpacket } from "../linux/index.ts";
import type { OutputChunk, RuntimeStreams } from "./runtime.ts";

/** conmon reads at most this many bytes of a packet and drops the rest (CONN_SOCK_BUF_SIZE). */
const PACKET_LIMIT = 32 * 1024;
/** First byte of each packet that conmon sends. */
const STDERR_PIPE = 3;
/** Bytes that may wait for the reader before we stop reading from conmon, and go on again below. */
const PAUSE_ABOVE = 1024 * 1024;
const RESUME_BELOW = 256 * 1024;

/** Connects to a container's attach socket (SOCK_SEQPACKET; the first byte of each packet says which stream). */
export async function attachTo(socketPath: string): Promise<RuntimeStreams> {
  const fd = connectSeqpacket(socketPath);
  const queue: OutputChunk[] = [];
  let queued = 0;
  let paused = false;
  let closed = false;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  const wakeAll = () => {
    wakeReader?.();
    wakeWriter?.();
  };
  const gone = () => {
    closed = true;
    wakeAll();
  };

  const handlers: Bun.SocketHandler<undefined> = {
    data(connection, packet) {
      if (packet.length < 2) return;
      queue.push({ stream: packet[0] === STDERR_PIPE ? "stderr" : "stdout", bytes: packet.subarray(1) });
      queued += packet.length - 1;
      if (queued > PAUSE_ABOVE && !paused) {
        paused = true;
        connection.pause();
      }
      wakeReader?.();
    },
    drain: () => wakeWriter?.(),
    end: gone,
    close: gone,
    error: gone,
  };
  let socket: Bun.Socket<undefined>;
  try {
    // Bun's types do not know that a connected descriptor may be given.
    const given = { fd, socket: handlers } as unknown as Bun.TCPSocketConnectOptions<undefined>;
    socket = await Bun.connect(given);
  } catch (error) {
    closeSync(fd);
    throw new PlyError("unavailable", `cannot attach to ${socketPath}`, { cause: error });
  }

  async function* read(): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunk = queue.shift();
      if (chunk === undefined) {
        if (closed) return;
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
        wakeReader = undefined;
        continue;
      }
      queued -= chunk.bytes.length;
      if (paused && queued < RESUME_BELOW) {
        paused = false;
        socket.resume();
      }
      yield chunk;
    }
  }

  let writes: Promise<void> = Promise.resolve();
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const turn = writes.then(step);
    writes = turn.catch(() => undefined);
    return turn;
  };
  const output = read();
  return {
    output,
    write: (bytes) =>
      inTurn(async () => {
        for (let at = 0; at < bytes.length; ) {
          if (closed) throw new PlyError("conflict", "the container's stdin has gone");
          const packet = bytes.subarray(at, at + PACKET_LIMIT);
          const sent = socket.write(packet);
          if (sent > 0) at += sent;
          else
            await new Promise<void>((resolve) => {
              wakeWriter = resolve;
            });
        }
      }),
    end: () =>
      inTurn(async () => {
        if (!closed) socket.shutdown();
      }),
    async [Symbol.asyncDispose]() {
      closed = true;
      socket.terminate();
      wakeAll();
    },
  };
}
