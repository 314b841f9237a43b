import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { Duplex } from "node:stream";
import { messageOf, PlyError, throwIfAborted } from "../error.ts";
import { readFrames } from "./frame.ts";
import { decoded, encoded, just, type Method, only } from "./method.ts";
import { pumpMessages } from "./pump.ts";
import { errorOfStatus, GRPC_OK, parseStatus } from "./status.ts";

export interface CallOptions {
  /** Names in lower case; a list is sent as several headers. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  readonly signal?: AbortSignal;
}

/** gRPC calls over one connection, as many at once as wanted. */
export interface GrpcConnection {
  /**
   * Calls a method of any kind: sends what `requests` gives while it reads what comes. Leaving the answer early
   * cancels the call. Throws what a status other than OK says, "unavailable" when the connection is lost,
   * "cancelled" by the signal, and what `requests` throws.
   */
  call<ReqIn, ReqOut, ResIn, ResOut>(
    method: Method<ReqIn, ReqOut, ResIn, ResOut>,
    requests: AsyncIterable<ReqIn>,
    options?: CallOptions,
  ): AsyncGenerator<ResOut, void>;
  /** As `call`, with those answers together that came together: for many small ones. */
  callInBatches<ReqIn, ReqOut, ResIn, ResOut>(
    method: Method<ReqIn, ReqOut, ResIn, ResOut>,
    requests: AsyncIterable<ReqIn>,
    options?: CallOptions,
  ): AsyncGenerator<readonly ResOut[], void>;
  /** Calls a method of one request and one response. Throws as `call`. */
  ask<ReqIn, ReqOut, ResIn, ResOut>(
    method: Method<ReqIn, ReqOut, ResIn, ResOut>,
    request: ReqIn,
    options?: CallOptions,
  ): Promise<ResOut>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  /** Cuts it. */
  close(): void;
}

/** Makes calls on a connection whose other side is the server (HTTP/2 with prior knowledge). */
export function connectGrpc(socket: Duplex): GrpcConnection {
  const session = connect("http://localhost", {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  session.on("error", () => socket.destroy());
  session.on("close", () => socket.destroy());
  session.on("goaway", () => session.close());
  // A server that sends no more answers nothing.
  socket.once("end", () => socket.destroy());
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      session.destroy();
      resolve();
    });
    if (socket.destroyed) resolve();
  });
  const call: GrpcConnection["call"] = async function* (method, requests, options = {}) {
    const batches = callBytes(session, method.path, encoded(method.request, requests), options);
    yield* decoded(method.response, batches);
  };
  return {
    call,
    async *callInBatches(method, requests, options = {}) {
      const batches = callBytes(session, method.path, encoded(method.request, requests), options);
      for await (const batch of batches) yield batch.map((bytes) => method.response.decode(bytes));
    },
    ask: (method, request, options) => only(call(method, just(request), options)),
    closed,
    close: () => socket.destroy(),
  };
}

async function* callBytes(
  session: ClientHttp2Session,
  path: string,
  requests: AsyncGenerator<Uint8Array, void>,
  { metadata = {}, signal }: CallOptions,
): AsyncGenerator<readonly Uint8Array[], void> {
  throwIfAborted(signal);
  if (session.destroyed || session.closed) throw lost();
  const stream = session.request({
    ...(metadata as Readonly<Record<string, string | string[]>>),
    ":method": "POST",
    ":path": path,
    te: "trailers",
    "content-type": "application/grpc",
    "user-agent": "ply",
  });
  let headers: Readonly<Record<string, unknown>> = {};
  let trailers: Readonly<Record<string, unknown>> = {};
  stream.on("response", (given) => {
    headers = given;
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("error", () => {});
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
  signal?.addEventListener("abort", cancel);
  let failure: { readonly error: unknown } | undefined;
  void send(stream, requests).catch((error: unknown) => {
    failure ??= { error };
    cancel();
  });
  try {
    let broken: unknown;
    try {
      yield* readFrames(stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>);
    } catch (error) {
      if (error instanceof PlyError && error.kind !== "invalid") throw error;
      broken = error;
    }
    const status = parseStatus(trailers) ?? parseStatus(headers);
    if (status !== undefined && status.code !== GRPC_OK) throw errorOfStatus(status);
    throwIfAborted(signal);
    if (failure !== undefined) throw failure.error;
    if (status === undefined || broken !== undefined) throw refused(headers[":status"]) ?? lost(broken);
  } finally {
    signal?.removeEventListener("abort", cancel);
    if (!stream.closed && !stream.destroyed) cancel();
    void requests.return().catch(() => {});
  }
}

/** Failing because the other side wants no more is no failure: its status says why. */
async function send(stream: ClientHttp2Stream, requests: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    await pumpMessages(stream, requests);
  } catch (error) {
    if (stream.closed || stream.destroyed) return;
    throw error;
  }
  if (!stream.closed && !stream.destroyed) stream.end();
}

function refused(status: unknown): PlyError | undefined {
  if (status === undefined || status === 200) return undefined;
  return new PlyError("unavailable", `the other side answered with HTTP status ${String(status)}`);
}

function lost(cause?: unknown): PlyError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return new PlyError("unavailable", `the connection was lost${why}`, { cause });
}
