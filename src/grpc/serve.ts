import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { PlyError } from "../error.ts";
import { readFrames } from "./frame.ts";
import { metadataOf } from "./metadata.ts";
import type { ServedMethod } from "./method.ts";
import { pumpMessages } from "./pump.ts";
import { formatStatus, GRPC_OK, type GrpcStatus, statusOfError } from "./status.ts";

/** Calls at once on one connection; the next ones wait. */
const MAX_CALLS = 256;

/**
 * Answers gRPC calls on a connection that is the server's (HTTP/2 with prior knowledge); resolves when it has ended.
 * `signal` cuts it, and with it all calls.
 */
export function serveGrpc(
  socket: Duplex,
  methods: readonly ServedMethod[],
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const byPath = new Map(methods.map((method) => [method.path, method]));
  const ended = new AbortController();
  const http = createServer({ settings: { maxConcurrentStreams: MAX_CALLS } });
  http.on("sessionError", () => socket.destroy());
  http.on("session", (session: ServerHttp2Session) => session.on("close", () => socket.destroy()));
  http.on("stream", (stream: ServerHttp2Stream, headers, _flags, rawHeaders: string[]) => {
    const method = byPath.get(headers[":path"] ?? "");
    void answer(stream, { method, path: headers[":path"] ?? "", rawHeaders, ended: ended.signal });
  });
  return new Promise((resolve) => {
    const cut = () => socket.destroy();
    const end = () => {
      signal?.removeEventListener("abort", cut);
      ended.abort(new PlyError("cancelled", "the connection has ended"));
      resolve();
    };
    socket.on("error", () => {});
    socket.once("close", end);
    // HTTP/2 needs both directions: answers to one that only listens would stall, and it waits for the end.
    socket.once("end", cut);
    signal?.addEventListener("abort", cut);
    if (socket.destroyed) end();
    else if (signal?.aborted) cut();
    else http.emit("connection", socket);
  });
}

interface Asked {
  readonly method: ServedMethod | undefined;
  readonly path: string;
  readonly rawHeaders: readonly string[];
  readonly ended: AbortSignal;
}

async function answer(stream: ServerHttp2Stream, { method, path, rawHeaders, ended }: Asked): Promise<void> {
  const metadata = metadataOf(rawHeaders);
  const gone = new AbortController();
  const leave = () => gone.abort(new PlyError("cancelled", "the caller is gone"));
  stream.on("error", leave);
  stream.on("aborted", leave);
  stream.on("close", leave);
  const expired = expiry(metadata.get("grpc-timeout")?.[0]);
  let status: GrpcStatus = { code: GRPC_OK, message: "" };
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(formatStatus(status)));
  try {
    if (method === undefined) throw new PlyError("unsupported", `unknown method ${path}`);
    const signal = AbortSignal.any([gone.signal, ended, ...(expired === undefined ? [] : [expired])]);
    const requests = readFrames(chunksOf(stream, signal));
    await pumpMessages(stream, method.answer(requests, { metadata, signal }));
  } catch (error) {
    status = expired?.aborted === true ? DEADLINE_EXCEEDED : statusOfError(error);
  }
  if (stream.destroyed || stream.closed) return;
  // What the caller still sends is for nobody: it stops, once it has the status.
  stream.resume();
  stream.end();
}

/** The body's chunks; what is left of it stays, when the reader does not want it any more. */
async function* chunksOf(stream: ServerHttp2Stream, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  try {
    yield* stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  // One that is reset ends, and says so only then.
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}

const DEADLINE_EXCEEDED: GrpcStatus = { code: 4, message: "context deadline exceeded" };

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** Timers hold no more: 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Aborted when the caller's time is up (`grpc-timeout`: digits and a unit); undefined where it waits for ever. */
function expiry(timeout: string | undefined): AbortSignal | undefined {
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(timeout ?? "") ?? [];
  if (digits === undefined) return undefined;
  return AbortSignal.timeout(Math.min(Math.ceil(Number(digits) * (UNIT_MS[unit] ?? 0)), MAX_TIMER_MS));
}
