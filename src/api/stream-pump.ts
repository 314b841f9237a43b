import type { Duplex } from "node:stream";
import type { Attachment } from "../container/index.ts";
import { codeOf, isPlyError, messageOf } from "../error.ts";
import { encodeFrame, encodeFrameHeader, MULTIPLEXED_STREAM, RAW_STREAM } from "../wire/index.ts";
import type { DetachScanner } from "./detach-keys.ts";
import { drained } from "./exchange.ts";

/** What a client is connected to: a container's streams, or those of one more process in it. */
export interface StreamTarget {
  /** For the log. */
  readonly what: string;
  readonly tty: boolean;
  readonly streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly detach: DetachScanner | undefined;
  /** The process reads end of file when the client has sent all. */
  readonly closesStdin: boolean;
  /** The client wants no output: it is done with when it has sent all. */
  readonly endsWithInput?: boolean;
}

/** Docker's content type of the output. */
export function contentType({ tty }: StreamTarget, apiMinor: number): string {
  return tty || apiMinor < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/** What the client sends, that which came with the head first. */
export async function* inputOf(socket: Duplex, head: Uint8Array): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  yield* socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

interface InputPump {
  readonly target: StreamTarget;
  readonly attachment: Pick<Attachment, "writeStdin" | "closeStdin">;
  readonly input: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Feeds the process. Resolves only when the client leaves it: the end of input is not the end of output. */
export async function pumpInput({ target, attachment, input, signal, log }: InputPump): Promise<void> {
  const { streams, detach } = target;
  const never = new Promise<void>(() => {});
  try {
    for await (const chunk of input) {
      if (signal.aborted) return await never;
      if (!streams.stdin) continue;
      const typed = detach === undefined ? { bytes: chunk, detached: false } : detach(chunk);
      if (typed.bytes.length > 0) await attachment.writeStdin(typed.bytes);
      if (typed.detached) return;
    }
    if (streams.stdin && target.closesStdin) await attachment.closeStdin();
    if (target.endsWithInput === true) return;
  } catch (error) {
    // The process ended, or the client did: the output tells, or nobody is left to tell.
    if (!signal.aborted && !isPlyError(error, "cancelled") && !isBroken(error))
      log(`${target.what}: stdin: ${messageOf(error)}`);
  }
  return await never;
}

function isBroken(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

/** A socket, or an answer. */
export interface Sink {
  write(bytes: Uint8Array): boolean;
  once(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

interface OutputPump {
  readonly target: StreamTarget;
  readonly attachment: Pick<Attachment, "output">;
  readonly sink: Sink;
  readonly signal: AbortSignal;
  readonly until: Promise<void>;
  /** The two streams as one, without Docker's frames. */
  readonly isRaw?: boolean;
}

/** A chunk up to this goes out in one piece with its header; a larger one is not copied. */
const SMALL_CHUNK_BYTES = 4096;

/** Passes output on at the client's pace until it ends, the client leaves or the user detaches. */
export async function pumpOutput({ until, signal, ...pump }: OutputPump): Promise<void> {
  const stopped = new AbortController();
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const copied = copyOutput({ ...pump, signal: AbortSignal.any([signal, stopped.signal]) });
  // One race for the whole, not one per chunk: each would leave a reaction on the promises that live long.
  await Promise.race([copied, until, aborted]);
  stopped.abort();
  // Disposing the attachment, which comes next, ends a copy that still waits: nobody else hears of its failure.
  copied.catch(() => {});
}

async function copyOutput(pump: Omit<OutputPump, "until">): Promise<void> {
  const { target, attachment, sink, signal, isRaw = target.tty } = pump;
  for await (const { stream, bytes } of attachment.output) {
    if (signal.aborted) return;
    if (!target.tty && !target.streams[stream]) continue;
    let goOn: boolean;
    if (isRaw) goOn = sink.write(bytes);
    else if (bytes.length <= SMALL_CHUNK_BYTES) goOn = sink.write(encodeFrame({ stream, bytes }));
    else {
      sink.write(encodeFrameHeader(stream, bytes.length));
      goOn = sink.write(bytes);
    }
    if (!goOn) await drained(sink, signal);
  }
}
