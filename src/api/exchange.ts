import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";

/** One request and the way to answer it. */
export interface Exchange {
  readonly method: string;
  /** Minor part of the API version asked for: 43 of 1.43. */
  readonly apiMinor: number;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The session that what it creates belongs to. */
  readonly session?: string;
  /** Aborted when the client is gone before its answer was complete, or the server closes. */
  readonly signal: AbortSignal;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Every JSON body of the API is far below this. */
const MAX_JSON_BODY_BYTES = 8 * 1024 * 1024;

/** A parameter of the route's template. */
export function param(exchange: Pick<Exchange, "params">, name: string): string {
  const value = exchange.params[name];
  if (value === undefined) throw new PlyError("internal", `the route has no parameter ${name}`);
  return value;
}

export function sendJson(exchange: Exchange, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  exchange.response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": body.length,
  });
  exchange.response.end(exchange.method === "HEAD" ? undefined : body);
}

/** An answer without a body: 200, 201, 204, 304. */
export function sendEmpty(exchange: Exchange, status: number): void {
  // 204 and 304 may not have a length; the others would be sent in chunks without one.
  exchange.response.writeHead(status, status < 204 ? { "Content-Length": "0" } : {});
  exchange.response.end();
}

/** The body as JSON; undefined when there is none. Throws "invalid" in words that say what is wrong, "limit" when it is too big. */
export async function readJson(
  exchange: Pick<Exchange, "request">,
  maxBytes = MAX_JSON_BODY_BYTES,
): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyStream(exchange)) {
    size += chunk.length;
    if (size > maxBytes)
      throw new PlyError("limit", `the request body is larger than ${maxBytes} bytes`, {
        details: { httpStatus: 413 },
      });
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's message quotes the body, which may hold a password: only its kind is told.
    throw new PlyError("invalid", "invalid JSON: the request body could not be parsed", { cause });
  }
}

/** The body as JSON object; throws "invalid" when it is anything else, missing included. */
export async function readJsonObject(
  exchange: Pick<Exchange, "request">,
): Promise<Readonly<Record<string, unknown>>> {
  const value = await readJson(exchange);
  if (value === undefined) throw new PlyError("invalid", "invalid JSON: got EOF while reading request body");
  if (!isObject(value)) throw new PlyError("invalid", "invalid JSON: the request body is not an object");
  return value;
}

/**
 * The body as a stream of bytes, for archives: bounded by whoever reads it. Leaving it early does not cut the
 * connection, on which the answer is still to go.
 */
export function bodyStream(exchange: Pick<Exchange, "request">): AsyncIterable<Uint8Array> {
  return exchange.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

/**
 * Sends a stream as the body, at the pace of the client. Throws when the source does: the connection is then cut.
 * `isAhead`: a chunk is made while the one before is still being taken; they must not share memory.
 */
export async function sendStream(
  exchange: Exchange,
  contentType: string,
  chunks: AsyncIterable<Uint8Array>,
  { isAhead = false }: { readonly isAhead?: boolean } = {},
): Promise<void> {
  const { response, signal } = exchange;
  response.writeHead(200, { "Content-Type": contentType });
  response.flushHeaders();
  let room: Promise<void> | undefined;
  for await (const chunk of chunks) {
    await room;
    if (signal.aborted) return;
    room = response.write(chunk) ? undefined : drained(response, signal);
    if (!isAhead) await room;
  }
  response.end();
}

/** Resolves when the stream wants more, or the signal is aborted. */
export function drained(
  stream: {
    once(event: "drain", listener: () => void): unknown;
    off(event: "drain", listener: () => void): unknown;
  },
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.once("drain", done);
    signal.addEventListener("abort", done);
  });
}
