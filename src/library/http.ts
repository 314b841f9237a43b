import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from "node:http";
import type { Socket } from "node:net";
import { messageOf, PlyError, throwIfAborted } from "../error.ts";
import { answeredText, decodeJsonLines, formatQuery, type QueryValue, wholeAnswer } from "../wire/index.ts";

/** What is sent piece by piece. */
export type Bytes = AsyncIterable<Uint8Array> | readonly Uint8Array[];

export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it comes, as `application/x-tar` unless a header says otherwise. */
  readonly body?: Bytes | Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** Where an engine listens. */
export type EngineLocation =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** A connection that stopped being HTTP: bytes both ways. */
export interface Hijacked {
  readonly socket: Socket;
  /** What came with the head. */
  readonly head: Uint8Array;
}

/**
 * The engine's API as requests, over node:http: programs run under Node too. (The CLI has a client of its own over Bun's
 * sockets, since node:http costs 11 ms of a command's start.) What the engine refuses is thrown as a PlyError of the
 * kind it names, an engine that cannot be reached as "unavailable".
 */
export interface EngineHttp {
  readonly location: EngineLocation;
  /** The answer's JSON; undefined for an empty one. */
  json<T = unknown>(method: string, path: string, options?: RequestOptions): Promise<T>;
  /** The answer's bytes. Leaving the loop early gives the rest up. */
  bytes(method: string, path: string, options?: RequestOptions): Promise<AsyncIterable<Uint8Array>>;
  /** The values of an answer of JSON lines. */
  lines<T = unknown>(method: string, path: string, options?: RequestOptions): Promise<AsyncIterable<T>>;
  /** Takes the connection over. */
  hijack(path: string, options?: RequestOptions): Promise<Hijacked>;
  close(): void;
}

/** `headers` go with every request. */
export function createHttp(
  location: EngineLocation,
  headers: Readonly<Record<string, string>> = {},
): EngineHttp {
  const agent = new Agent({ keepAlive: true });

  function send(method: string, path: string, options: RequestOptions, more: OutgoingHttpHeaders) {
    throwIfAborted(options.signal);
    const json = options.json === undefined ? undefined : Buffer.from(JSON.stringify(options.json));
    const body = json ?? options.body;
    const sent = request({
      ...location,
      agent: "Upgrade" in more ? false : agent,
      method,
      path: path + formatQuery(options.query),
      headers: { ...typeAndLength(method, json, options.body), ...headers, ...more, ...options.headers },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    return { sent, finish: () => feed(sent, body) };
  }

  async function answer(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const { sent, finish } = send(method, path, options, {});
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once("response", resolve);
      sent.on("error", (error) => reject(asPlyError(error, options.signal)));
      finish();
    });
    if ((response.statusCode ?? 0) >= 400) throw await refusal(response);
    return response;
  }

  async function bytes(method: string, path: string, options: RequestOptions = {}) {
    return read(await answer(method, path, options), options.signal);
  }

  return {
    location,
    bytes,
    async json<T>(method: string, path: string, options: RequestOptions = {}) {
      const text = await wholeAnswer(await bytes(method, path, options));
      return (text.trim() === "" ? undefined : JSON.parse(text)) as T;
    },
    async lines<T>(method: string, path: string, options: RequestOptions = {}) {
      return decodeJsonLines(await bytes(method, path, options)) as AsyncIterable<T>;
    },
    hijack: (path, options = {}) =>
      new Promise((resolve, reject) => {
        const { sent, finish } = send("POST", path, options, { Connection: "Upgrade", Upgrade: "tcp" });
        sent.once("upgrade", (_response, socket, head) => resolve({ socket, head }));
        sent.once("response", (response) => void refusal(response).then(reject, reject));
        sent.on("error", (error) => reject(asPlyError(error, options.signal)));
        finish();
      }),
    close: () => agent.destroy(),
  };
}

function typeAndLength(
  method: string,
  json: Uint8Array | undefined,
  body: RequestOptions["body"],
): OutgoingHttpHeaders {
  if (json !== undefined) return { "Content-Type": "application/json", "Content-Length": json.length };
  if (body !== undefined) return { "Content-Type": "application/x-tar" };
  return method === "POST" || method === "PUT" ? { "Content-Length": 0 } : {};
}

/** Sends the body at the engine's pace; an engine that stops reading has said why in its answer. */
function feed(sent: ClientRequest, body: RequestOptions["body"]): void {
  if (body === undefined || body instanceof Uint8Array) {
    sent.end(body);
    return;
  }
  const pump = async (): Promise<void> => {
    for await (const chunk of body) {
      if (sent.destroyed) return;
      if (!sent.write(chunk))
        await new Promise<void>((resolve) => {
          sent.once("drain", resolve);
          sent.once("close", resolve);
        });
    }
    sent.end();
  };
  pump().catch((error: unknown) => sent.destroy(error instanceof Error ? error : new Error(String(error))));
}

async function* read(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw asPlyError(error, signal);
  }
}

async function refusal(response: IncomingMessage): Promise<PlyError> {
  const { statusCode: status = 0, statusMessage: reason = "" } = response;
  return answeredText({ status, reason }, await wholeAnswer(response as AsyncIterable<Uint8Array>));
}

function asPlyError(cause: unknown, signal: AbortSignal | undefined): unknown {
  if (cause instanceof PlyError) return cause;
  if (signal?.aborted === true)
    return new PlyError("cancelled", "the operation was cancelled", { cause: signal.reason });
  return new PlyError("unavailable", `cannot talk to the ply engine: ${messageOf(cause)}`, { cause });
}
