import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** What goes wrong with one exchange. `afterBytes` counts bytes of the response's body unless said otherwise. */
export type Fault =
  /** Cuts the connection with a reset. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** Ends the connection as if all had been sent. */
  | { readonly kind: "truncate"; readonly afterBytes: number }
  /** Sends nothing more, and keeps the connection open. */
  | { readonly kind: "stall"; readonly afterBytes: number }
  /** Resets once that much of the *request's* body has gone to the target. */
  | { readonly kind: "reset-request"; readonly afterBytes: number }
  /** Adds `delta` to Content-Length and sends the same body. */
  | { readonly kind: "lie"; readonly delta: number }
  /** Flips the bits of one byte of the body. */
  | { readonly kind: "corrupt"; readonly atByte: number }
  /** Hides the Range header from the target, which then sends everything. */
  | { readonly kind: "ignore-range" }
  /** Answers itself: 429 with Retry-After, 503, a redirect, an HTML page, garbage. Default type text/html. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Sends these bytes in place of an HTTP response, then ends. */
  | { readonly kind: "raw"; readonly bytes: string };

export interface FaultyRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** How many requests came before this one. */
  readonly index: number;
}

/** An HTTP proxy that misbehaves on demand; each request is on a connection of its own. */
export interface FaultyProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  /** Every request seen, in order. */
  readonly requests: readonly FaultyRequest[];
  stop(): Promise<void>;
}

const TLS_HANDSHAKE = 0x16;
const ARRIVAL_MS = 50;
/** More than any head of a test has. */
const MAX_HEAD_BYTES = 256 * 1024;

/**
 * Passes requests to `target` (`http://127.0.0.1:PORT`, plain HTTP) and spoils those for which `plan` returns a
 * fault; undefined passes one on as it is. The Host header is kept, so a registry's upload locations lead
 * back through the proxy.
 *
 *     await using proxy = await startFaultyProxy(registry.url, ({ path, index }) =>
 *       path.includes("/blobs/") && index < 5 ? { kind: "reset", afterBytes: 100_000 } : undefined);
 */
export async function startFaultyProxy(
  target: string,
  plan: (request: FaultyRequest) => Fault | undefined,
): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const requests: FaultyRequest[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((client) => {
    track(client);
    readHead(client, (head, rest) => {
      const request = parseRequest(head, requests.length);
      requests.push(request);
      const fault = plan(request);
      if (fault?.kind === "answer") client.end(answerOf(fault));
      else if (fault?.kind === "raw") client.end(fault.bytes);
      else {
        const upstream = track(connect(Number(port), hostname));
        client.on("close", () => upstream.destroy());
        upstream.write(requestHead(head, fault));
        sendBody(client, upstream, rest, fault);
        readHead(upstream, (answer, body) => {
          client.write(responseHead(answer, fault));
          spoilBody(upstream, client, body, fault);
        });
        upstream.on("error", () => client.resetAndDestroy());
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const host = `127.0.0.1:${address.port}`;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { host, url: `http://${host}`, requests, stop, [Symbol.asyncDispose]: stop };
}

/** Reads up to the empty line; `then` gets the head (without it) and the first bytes of the body. */
function readHead(socket: Socket, then: (head: string, rest: Buffer) => void): void {
  let bytes = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    // A TLS hello, from a client that tries HTTPS first: a plain server tells it at once.
    if (bytes.length === 0 && chunk[0] === TLS_HANDSHAKE) socket.end("HTTP/1.0 400 Bad Request\r\n\r\n");
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0 && bytes.length < MAX_HEAD_BYTES) return;
    socket.off("data", onData);
    if (end < 0) socket.destroy();
    else then(bytes.subarray(0, end).toString("latin1"), bytes.subarray(end + 4));
  };
  socket.on("data", onData);
}

function parseRequest(head: string, index: number): FaultyRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { method, path, headers, index };
}

/** One request per connection, so that no length needs to be understood on the way. */
function withConnectionClose(head: string): string {
  const lines = head.split("\r\n").filter((line) => !/^(connection|keep-alive):/i.test(line));
  return [...lines, "Connection: close"].join("\r\n");
}

function requestHead(head: string, fault: Fault | undefined): string {
  const kept =
    fault?.kind === "ignore-range"
      ? head
          .split("\r\n")
          .filter((line) => !/^range:/i.test(line))
          .join("\r\n")
      : head;
  return `${withConnectionClose(kept)}\r\n\r\n`;
}

function responseHead(head: string, fault: Fault | undefined): string {
  const told =
    fault?.kind === "lie"
      ? head.replace(
          /^(content-length:\s*)(\d+)/im,
          (_all, name: string, length: string) => `${name}${Number(length) + fault.delta}`,
        )
      : head;
  return `${withConnectionClose(told)}\r\n\r\n`;
}

function answerOf({ status, headers, body = "" }: Fault & { kind: "answer" }): string {
  const all = {
    "Content-Type": "text/html",
    ...headers,
    "Content-Length": Buffer.byteLength(body),
    Connection: "close",
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Faulty\r\n${lines.join("")}\r\n${body}`;
}

function sendBody(client: Socket, upstream: Socket, rest: Buffer, fault: Fault | undefined): void {
  let left = fault?.kind === "reset-request" ? fault.afterBytes : Number.POSITIVE_INFINITY;
  const send = (chunk: Buffer): void => {
    if (chunk.length === 0) return;
    const part = chunk.subarray(0, Math.min(chunk.length, left));
    left -= part.length;
    if (left === 0) {
      // The target sees an orderly end of what it got; the client sees a cut.
      client.resetAndDestroy();
      upstream.end(part);
    } else if (!upstream.write(part)) {
      client.pause();
      upstream.once("drain", () => client.resume());
    }
  };
  client.on("data", send);
  send(rest);
  client.resume();
}

function spoilBody(upstream: Socket, client: Socket, rest: Buffer, fault: Fault | undefined): void {
  const limit =
    fault?.kind === "reset" || fault?.kind === "truncate" || fault?.kind === "stall"
      ? fault.afterBytes
      : Number.POSITIVE_INFINITY;
  let sent = 0;
  let isCut = false;
  const send = (chunk: Buffer): void => {
    if (isCut) return;
    const part = Buffer.from(chunk.subarray(0, Math.min(chunk.length, limit - sent)));
    if (fault?.kind === "corrupt" && fault.atByte >= sent && fault.atByte < sent + part.length)
      part.writeUInt8((part.readUInt8(fault.atByte - sent) ^ 0xff) & 0xff, fault.atByte - sent);
    sent += part.length;
    isCut = sent >= limit;
    const cut = (): void => {
      if (!isCut) return;
      upstream.pause();
      if (fault?.kind === "reset") client.resetAndDestroy();
      if (fault?.kind === "truncate") client.end();
    };
    // A reset throws away what has not been sent, or not been read yet: let it arrive first.
    const flowing = client.write(part, () => setTimeout(cut, isCut ? ARRIVAL_MS : 0));
    if (!flowing && !isCut) {
      upstream.pause();
      client.once("drain", () => upstream.resume());
    }
  };
  upstream.on("data", send);
  if (rest.length > 0 || limit === 0) send(rest);
  upstream.on("end", () => {
    if (!isCut) client.end();
  });
  upstream.resume();
}
