import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";

/** A request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** JSON to answer with, or a function that does it all. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  | ((request: SeenRequest, response: ServerResponse) => void | Promise<void>);

export interface FakeEngine extends AsyncDisposable {
  /** `unix://…` */
  readonly host: string;
  readonly requests: readonly SeenRequest[];
  readonly connections: () => number;
}

/**
 * An HTTP server on a unix socket that answers as the test says, by `METHOD /path`. A request nobody spoke of gets
 * 404 with its name. `onAttach` gets the connections that are upgraded.
 */
export async function startFakeEngine(
  answers: Readonly<Record<string, Answer>>,
  onAttach?: (socket: Duplex, request: IncomingMessage) => void,
): Promise<FakeEngine> {
  const dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
  const requests: SeenRequest[] = [];
  let connections = 0;
  const sockets = new Set<Duplex>();
  const server = createServer((request, response) => void answer(request, response));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://ply");
    const path = decodeURIComponent(url.pathname);
    const key = `${request.method} ${path}`;
    const given = answers[key];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const seen: SeenRequest = {
      method: request.method ?? "",
      path,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8"),
    };
    requests.push(seen);
    if (typeof given === "function") return given(seen, response);
    const text = JSON.stringify(given?.json ?? { message: `unexpected request: ${key}` });
    response.writeHead(given === undefined ? 404 : (given.status ?? 200), {
      "Content-Type": "application/json",
    });
    response.end(given?.status === 204 ? undefined : text);
  }

  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
  });
  server.on("upgrade", async (request: IncomingMessage, socket: Duplex) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "/", "http://ply");
    requests.push({
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString("utf8"),
    });
    onAttach?.(socket, request);
  });
  const path = join(dir, "ply.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Sends values as JSON lines and ends. */
export function jsonLines(...values: readonly unknown[]): Answer {
  return (_request, response) => {
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    for (const value of values) response.write(`${JSON.stringify(value)}\n`);
    response.end();
  };
}
