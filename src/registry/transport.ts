import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { SecureContext } from "node:tls";
import { isPlyError, messageOf, PlyError, throwIfAborted } from "../error.ts";
import { connectionFailure, type StallClock, startStallClock } from "./connection-failure.ts";
import { readBody, streamBody } from "./response-body.ts";

/** A body of known length that can be produced again for another try. */
export interface RequestBody {
  /** Bytes. */
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
  /** Bytes given to the connection so far. */
  readonly onProgress?: (bytes: number) => void;
}

export interface TransportRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  readonly verifiesTls: boolean;
  /** Milliseconds to wait for the answer once all is sent. Default: the transport's stall timeout. */
  readonly answerTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body has not been read. Exactly one of `stream`, `read` and `discard` must be called. */
export interface TransportResponse {
  readonly status: number;
  /** The URL that answered. */
  readonly url: URL;
  /** Several values joined with `, `. Name in lower case. */
  header(name: string): string | undefined;
  /** The body as it comes, in pieces of mostly 64 KiB and more; reads no faster than it is asked. */
  stream(): AsyncIterable<Uint8Array>;
  /** The whole body; throws "limit" when it is longer than `maxBytes`. */
  read(maxBytes: number, what: string): Promise<Uint8Array>;
  /** Gives the connection back, or closes it when much is left. */
  discard(): void;
}

/** One exchange at a time over kept-alive connections; knows nothing of registries. */
export interface Transport {
  /** Throws unavailable (transient, or not: a certificate), cancelled; and what the body's source throws. */
  send(request: TransportRequest): Promise<TransportResponse>;
  /** Drops what is known of a host, so that changed certificates are read again. */
  forget(host: string): void;
  close(): void;
}

export interface TransportOptions {
  /** Milliseconds. */
  readonly stallTimeoutMs: number;
  readonly tlsFor: (host: string) => Promise<SecureContext>;
  /** The proxy that requests to a URL go through: `http://user:password@host:port`. */
  readonly proxyFor: (url: URL) => string | undefined;
}

/** Connections to one host at a time; layers of one pull and a few more pulls. */
const MAX_SOCKETS = 32;
/** A rest that is cheaper to read than a new connection is to make. Bytes. */
const DRAIN_BYTES = 64 * 1024;

export function createTransport(options: TransportOptions): Transport {
  const agents = new Map<string, Promise<http.Agent>>();

  const agentFor = (url: URL, verifiesTls: boolean): Promise<http.Agent> => {
    const id = `${url.host} ${url.protocol} ${verifiesTls}`;
    const known = agents.get(id);
    if (known !== undefined) return known;
    const proxy = options.proxyFor(url);
    const proxyEnv = proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } };
    const shared = { keepAlive: true, maxSockets: MAX_SOCKETS, ...proxyEnv };
    const agent =
      url.protocol === "http:"
        ? Promise.resolve(new http.Agent(shared))
        : options.tlsFor(url.host).then(
            (secureContext) =>
              // Made once: an agent that is given a CA reads it again for every connection.
              new https.Agent({ ...shared, rejectUnauthorized: verifiesTls, ...{ secureContext } }),
          );
    agents.set(id, agent);
    agent.catch(() => agents.delete(id));
    return agent;
  };

  const destroy = (agent: Promise<http.Agent>): void => {
    void agent.then(
      (made) => made.destroy(),
      () => undefined,
    );
  };

  return {
    async send(request) {
      throwIfAborted(request.signal);
      const agent = await agentFor(request.url, request.verifiesTls);
      return exchange(request, agent, options.stallTimeoutMs);
    },
    forget(host) {
      for (const [id, agent] of agents)
        if (id.startsWith(`${host} `)) {
          agents.delete(id);
          destroy(agent);
        }
    },
    close() {
      for (const agent of agents.values()) destroy(agent);
      agents.clear();
    },
  };
}

async function exchange(
  { method, url, headers, body, signal, ...rest }: TransportRequest,
  agent: http.Agent,
  stallTimeoutMs: number,
): Promise<TransportResponse> {
  const client = url.protocol === "https:" ? https : http;
  const request = client.request(url, {
    method,
    agent,
    headers: { ...headers, ...(body === undefined ? {} : { "Content-Length": String(body.size) }) },
  });
  const onAbort = (): void => {
    request.destroy(new Error("aborted"));
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const { answerTimeoutMs = stallTimeoutMs } = rest;
  const clock = startStallClock(body === undefined ? answerTimeoutMs : stallTimeoutMs, (error) =>
    request.destroy(error),
  );
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
    request.once("close", () => reject(new Error("the connection was closed before an answer came")));
  });
  try {
    if (body === undefined) request.end();
    // An error of the body's own source counts more than the broken connection it leads to.
    const message = await (body === undefined
      ? answered
      : Promise.race([
          answered,
          sendBody(request, body, clock, answered).then(() => {
            clock.touch(answerTimeoutMs);
            return answered;
          }),
        ]));
    clock.stop();
    return responseOf(message, request, url, { stallTimeoutMs, signal, onAbort });
  } catch (error) {
    clock.stop();
    request.destroy();
    signal?.removeEventListener("abort", onAbort);
    throw connectionFailure(error, url, signal);
  }
}

/** Resolves when all is written, or as soon as the server has answered without waiting for the rest. */
async function sendBody(
  request: http.ClientRequest,
  body: RequestBody,
  clock: StallClock,
  answered: Promise<unknown>,
): Promise<void> {
  let hasAnswer = false;
  const noted = answered.then(
    () => {
      hasAnswer = true;
    },
    () => {
      hasAnswer = true;
    },
  );
  let sent = 0;
  for await (const chunk of ownErrors(body.open())) {
    if (hasAnswer || request.destroyed) return;
    sent += chunk.byteLength;
    if (sent > body.size) break;
    if (!request.write(chunk)) await Promise.race([once(request, "drain").catch(() => undefined), noted]);
    clock.touch();
    body.onProgress?.(sent);
  }
  if (hasAnswer || request.destroyed) return;
  if (sent !== body.size)
    throw new PlyError(
      "corrupt",
      `the content to upload is ${sent > body.size ? "longer" : "shorter"} than the ${body.size} bytes it should have`,
    );
  request.end();
}

/** Keeps what the source of a body throws apart from what the connection throws. */
async function* ownErrors(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (cause) {
    if (isPlyError(cause)) throw cause;
    throw new PlyError("unavailable", `cannot read the content to upload: ${messageOf(cause)}`, { cause });
  }
}

function responseOf(
  message: http.IncomingMessage,
  request: http.ClientRequest,
  url: URL,
  context: {
    readonly stallTimeoutMs: number;
    readonly signal: AbortSignal | undefined;
    readonly onAbort: () => void;
  },
): TransportResponse {
  const { signal, stallTimeoutMs, onAbort } = context;
  const release = (): void => {
    signal?.removeEventListener("abort", onAbort);
    // Answered before all was sent: the connection cannot be used again.
    if (!request.writableFinished || !message.complete) request.destroy();
  };
  const stream = (): AsyncIterable<Uint8Array> =>
    streamBody(message, { url, stallTimeoutMs, signal, release });
  // A cut while nobody reads is reported by the read that follows.
  message.on("error", () => undefined);
  return {
    status: message.statusCode ?? 0,
    url,
    header(name) {
      const value: string | string[] | undefined = message.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    stream,
    read: (maxBytes, what) => readBody(stream(), message.headers["content-length"], maxBytes, what),
    discard() {
      const length = Number(message.headers["content-length"] ?? Number.NaN);
      const isSmall = length <= DRAIN_BYTES && request.writableFinished;
      if (message.closed || (!isSmall && !message.complete)) return release();
      const clock = startStallClock(stallTimeoutMs, () => request.destroy());
      message.once("close", () => {
        clock.stop();
        release();
      });
      message.resume();
    },
  };
}
