import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Attachment, ContainerRecord } from "../container/index.ts";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import { encodeFrame, encodeFrameHeader, MULTIPLEXED_STREAM, RAW_STREAM } from "../wire/index.ts";
import { type DetachScanner, detachScanner, parseDetachKeys } from "./detach-keys.ts";
import { drained, type Exchange, param } from "./exchange.ts";
import { queryBoolean } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";

/**
 * `attach`: a client's terminal or pipes on a container's streams. Clients of today upgrade the connection and then
 * own it both ways; others get the output as the answer's body and send stdin as the request's.
 */
export const attachRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/containers/{name}/attach", handler: attachByBody },
];

const ATTACH_PATH = /^\/containers\/([^/]+)\/attach$/;

/** A connection that its client wants for itself. */
export interface UpgradeContext {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came with the head: the client may have sent first. */
  readonly head: Uint8Array;
  readonly service: Service;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

/** Answers a request with `Upgrade`. Throws when there is nothing to hand the connection to. */
export async function answerUpgrade(
  context: UpgradeContext,
  target: { readonly path: string; readonly query: URLSearchParams; readonly minor: number },
): Promise<void> {
  const name = ATTACH_PATH.exec(target.path)?.[1];
  if (context.request.method !== "POST" || name === undefined)
    throw new PlyError("unsupported", `${context.request.method} ${target.path} cannot be upgraded`, {
      hint: "send the request without the Upgrade header",
    });
  const request = attachRequest(name, target.query, context.service);
  await using attachment = await context.service.engine.containers.attach(
    request.container.id,
    request.streams,
  );
  const { socket } = context;
  const type = contentType(request, target.minor);
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, context.closing]);
  const input = inputOf(socket, context.head);
  const detached = pumpInput({ request, attachment, input, signal, service: context.service });
  await pumpOutput({ request, attachment, sink: socket, signal, until: detached });
  if (!socket.writableEnded) socket.end();
  // A client that keeps its side open would hold the connection for ever.
  socket.resume();
}

async function attachByBody(exchange: Exchange, service: Service): Promise<void> {
  const request = attachRequest(param(exchange, "name"), exchange.query, service);
  await using attachment = await service.engine.containers.attach(request.container.id, request.streams);
  const { response, signal } = exchange;
  response.writeHead(200, { "Content-Type": contentType(request, exchange.apiMinor) });
  response.flushHeaders();
  const input = exchange.request as AsyncIterable<Uint8Array>;
  const detached = pumpInput({ request, attachment, input, signal, service });
  await pumpOutput({ request, attachment, sink: response, signal, until: detached });
  response.end();
}

interface AttachRequest {
  readonly container: ContainerRecord;
  readonly streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly detach: DetachScanner | undefined;
}

function attachRequest(name: string, query: URLSearchParams, { engine }: Service): AttachRequest {
  const container = engine.containers.get(name);
  const isStream = queryBoolean(query, "stream");
  const keys = query.get("detachKeys");
  const { tty, openStdin } = container.process;
  return {
    container,
    // Without `stream` only what was logged is wanted, and no log is read back yet.
    streams: {
      stdin: isStream && openStdin && queryBoolean(query, "stdin"),
      stdout: isStream && queryBoolean(query, "stdout"),
      stderr: isStream && queryBoolean(query, "stderr"),
    },
    detach: tty || keys !== null ? detachScanner(parseDetachKeys(keys)) : undefined,
  };
}

function contentType({ container }: AttachRequest, apiMinor: number): string {
  return container.process.tty || apiMinor < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/** What the client sends, that which came with the head first. */
async function* inputOf(socket: Duplex, head: Uint8Array): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  yield* socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

interface InputPump {
  readonly request: AttachRequest;
  readonly attachment: Attachment;
  readonly input: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  readonly service: Service;
}

/** Feeds the process. Resolves only when the user detached: the end of input is not the end of output. */
async function pumpInput({ request, attachment, input, signal, service }: InputPump): Promise<void> {
  const { streams, detach, container } = request;
  const never = new Promise<void>(() => {});
  try {
    for await (const chunk of input) {
      if (signal.aborted) return await never;
      if (!streams.stdin) continue;
      const typed = detach === undefined ? { bytes: chunk, detached: false } : detach(chunk);
      if (typed.bytes.length > 0) await attachment.writeStdin(typed.bytes);
      if (typed.detached) return;
    }
    // Docker's rule: input ends with the client when the container was made for one client; a terminal stays.
    if (streams.stdin && container.process.stdinOnce && !container.process.tty) await attachment.closeStdin();
  } catch (error) {
    // The process ended, or the client did: the output tells, or nobody is left to tell.
    if (!signal.aborted && !isPlyError(error, "cancelled") && !isBroken(error))
      service.log(`attach ${container.name}: stdin: ${messageOf(error)}`);
  }
  return await never;
}

function isBroken(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

interface Sink {
  write(bytes: Uint8Array): boolean;
  once(event: "drain", listener: () => void): unknown;
  off(event: "drain", listener: () => void): unknown;
}

interface OutputPump {
  readonly request: AttachRequest;
  readonly attachment: Attachment;
  readonly sink: Sink;
  readonly signal: AbortSignal;
  readonly until: Promise<void>;
}

/** A chunk up to this goes out in one piece with its header; a larger one is not copied. */
const SMALL_CHUNK_BYTES = 4096;

/** Passes output on at the client's pace until it ends, the client leaves or the user detaches. */
async function pumpOutput({ request, attachment, sink, signal, until }: OutputPump): Promise<void> {
  const stopped = new AbortController();
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const copied = copyOutput({ request, attachment, sink, signal: AbortSignal.any([signal, stopped.signal]) });
  // One race for the whole, not one per chunk: each would leave a reaction on the promises that live long.
  await Promise.race([copied, until, aborted]);
  stopped.abort();
  // Disposing the attachment, which comes next, ends a copy that still waits: nobody else hears of its failure.
  copied.catch(() => {});
}

async function copyOutput({ request, attachment, sink, signal }: Omit<OutputPump, "until">): Promise<void> {
  const { tty } = request.container.process;
  for await (const { stream, bytes } of attachment.output) {
    if (signal.aborted) return;
    if (!tty && !request.streams[stream]) continue;
    let goOn: boolean;
    if (tty) goOn = sink.write(bytes);
    else if (bytes.length <= SMALL_CHUNK_BYTES) goOn = sink.write(encodeFrame({ stream, bytes }));
    else {
      sink.write(encodeFrameHeader(stream, bytes.length));
      goOn = sink.write(bytes);
    }
    if (!goOn) await drained(sink, signal);
  }
}
