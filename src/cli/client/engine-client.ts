import { messageOf, PlyError, throwIfAborted } from "../../error.ts";
import {
  answeredText,
  decodeJsonLines,
  formatQuery,
  type QueryValue,
  wholeAnswer,
} from "../../wire/index.ts";
import type { EngineAddress } from "./address.ts";
import type { Connection } from "./connection.ts";
import { formatRequestHead, type ResponseHead, readBody, readResponseHead, uploadChunked } from "./http.ts";

export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it comes (`application/x-tar` unless a header says otherwise). */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Statuses of 400 and above to hand back instead of throwing. */
  readonly accept?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface EngineResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Read it to the end, or destroy it. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the rest up. */
  destroy(): void;
}

/** A connection that stopped being HTTP. */
export interface Hijacked {
  readonly headers: ReadonlyMap<string, string>;
  readonly connection: Connection;
}

/**
 * The engine's API over its socket. Errors the engine answers with are thrown as PlyErrors of the kind it names;
 * one that cannot be reached as "unavailable".
 */
export interface EngineClient {
  readonly address: EngineAddress;
  request(method: string, path: string, options?: RequestOptions): Promise<EngineResponse>;
  /** The answer's JSON; undefined for an empty one. */
  json<T>(method: string, path: string, options?: RequestOptions): Promise<T>;
  /** The values of a stream of JSON lines. */
  stream<T>(method: string, path: string, options?: RequestOptions): Promise<AsyncIterable<T>>;
  /** `POST` that turns the connection into raw bytes (101, or 200 as old engines answer). */
  hijack(path: string, options?: Omit<RequestOptions, "body">): Promise<Hijacked>;
  close(): void;
}

/** `open` makes one connection; idle ones are used again. */
export function createEngineClient(address: EngineAddress, open: () => Promise<Connection>): EngineClient {
  const idle: Connection[] = [];

  async function send(
    method: string,
    path: string,
    options: RequestOptions,
    extraHeaders: Readonly<Record<string, string>>,
  ): Promise<{ connection: Connection; head: ResponseHead }> {
    throwIfAborted(options.signal);
    const json = options.json === undefined ? undefined : Buffer.from(JSON.stringify(options.json));
    const head = formatRequestHead(method, path + formatQuery(options.query), {
      Host: address.kind === "tcp" ? address.text.replace(/^[a-z]+:\/\//, "") : "ply",
      "User-Agent": "ply-cli",
      ...bodyHeaders(method, json, options.body),
      ...extraHeaders,
      ...options.headers,
    });
    // A connection kept from before may have been closed by the engine meanwhile; a body that is a stream cannot be sent twice.
    const kept = options.body === undefined ? idle.pop() : undefined;
    const connection = kept ?? (await open());
    const abort = (): void => connection.destroy(options.signal?.reason);
    options.signal?.addEventListener("abort", abort, { once: true });
    try {
      await connection.write(json === undefined ? head : Buffer.concat([Buffer.from(head), json]));
      // Not awaited: an engine that refuses an upload answers before it has all of it.
      if (options.body !== undefined) void uploadChunked(connection, options.body);
      return { connection, head: await readResponseHead(connection) };
    } catch (cause) {
      connection.destroy();
      throwIfAborted(options.signal);
      if (cause instanceof PlyError) throw cause;
      throw new PlyError("unavailable", `lost the connection to the engine: ${messageOf(cause)}`, { cause });
    }
  }

  async function request(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<EngineResponse> {
    const { connection, head } = await send(method, path, options, {});
    const body =
      method === "HEAD"
        ? noBody()
        : readBody(connection, head, (reusable) => {
            if (reusable && options.body === undefined && options.signal === undefined) idle.push(connection);
            else connection.destroy();
          });
    const response = {
      status: head.status,
      headers: head.headers,
      body,
      destroy: () => connection.destroy(),
    };
    if (head.status >= 400 && !options.accept?.includes(head.status)) throw await errorOf(head, response);
    return response;
  }

  return {
    address,
    request,
    async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
      const response = await request(method, path, options);
      const text = await whole(response);
      throwIfAborted(options.signal);
      return (text === "" ? undefined : parseAnswer(path, text)) as T;
    },
    async stream<T>(method: string, path: string, options: RequestOptions = {}): Promise<AsyncIterable<T>> {
      const response = await request(method, path, options);
      return abortable(decodeJsonLines(response.body), options.signal) as AsyncIterable<T>;
    },
    async hijack(path, options = {}) {
      const { connection, head } = await send("POST", path, options, {
        Connection: "Upgrade",
        Upgrade: "tcp",
      });
      if (head.status !== 101 && head.status !== 200) {
        const body = readBody(connection, head, () => {});
        throw await errorOf(head, {
          status: head.status,
          headers: head.headers,
          body,
          destroy: () => connection.destroy(),
        });
      }
      return { headers: head.headers, connection };
    },
    close() {
      for (const connection of idle.splice(0)) connection.destroy();
    },
  };
}

function bodyHeaders(
  method: string,
  json: Uint8Array | undefined,
  body: AsyncIterable<Uint8Array> | undefined,
): Record<string, string> {
  if (json !== undefined)
    return { "Content-Type": "application/json", "Content-Length": String(json.length) };
  if (body !== undefined) return { "Content-Type": "application/x-tar", "Transfer-Encoding": "chunked" };
  return method === "POST" || method === "PUT" ? { "Content-Length": "0" } : {};
}

async function errorOf(head: ResponseHead, response: EngineResponse): Promise<PlyError> {
  return answeredText(head, await whole(response));
}

async function whole(response: EngineResponse): Promise<string> {
  try {
    return await wholeAnswer(response.body);
  } catch (error) {
    response.destroy();
    throw error;
  }
}

function parseAnswer(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PlyError("corrupt", `the engine's answer to ${path} is not JSON`, { cause });
  }
}

/** An abort that cut the connection is told as an abort, not as the broken connection it looks like. */
async function* abortable(
  values: AsyncIterable<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<unknown> {
  try {
    yield* values;
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
  throwIfAborted(signal);
}

async function* noBody(): AsyncGenerator<Uint8Array> {}
