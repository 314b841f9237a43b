import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Duplex } from "node:stream";
import type { Engine } from "../engine.ts";
import { isPlyError, PlyError } from "../error.ts";
import { VERSION } from "../version.ts";
import { SESSION_HEADER } from "../wire/index.ts";
import { API_VERSION, splitVersion } from "./api-version.ts";
import { answerUpgrade } from "./attach-routes.ts";
import { refuseForeignPages } from "./browser-guard.ts";
import type { DoorOptions, Doors, DoorTls } from "./door.ts";
import type { Exchange } from "./exchange.ts";
import { errorBody, statusOf } from "./failure.ts";
import { createRouter, type Router } from "./router.ts";
import { routes } from "./routes.ts";
import type { Handler, Service, UpgradeContext } from "./service.ts";

export interface ApiServerOptions {
  readonly engine: Engine;
  readonly log?: (line: string) => void;
  readonly clock?: () => number;
}

/** The API on one engine, not yet listening: give each listener's server to `listen`. */
export interface ApiServer extends Doors, AsyncDisposable {}

/** Longer than clients keep an idle connection themselves (Go: 90 s, Docker's client less). */
const KEEP_ALIVE_MS = 10 * 60_000;

/** Headers of every answer, errors included. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "Api-Version": API_VERSION,
  // Docker's client sends `build --squash` only to such engines.
  "Docker-Experimental": "true",
  Ostype: "linux",
  Server: `Ply/${VERSION} (linux)`,
};

/**
 * The Docker Engine API and ply's own routes on an engine. The engine stays the caller's. Disposing cuts all
 * connections, which cancels what runs on their behalf.
 */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const clock = options.clock ?? Date.now;
  let buildkit: ReturnType<Service["buildkit"]> | undefined;
  const service: Service = {
    engine: options.engine,
    startedAt: clock(),
    log: options.log ?? (() => {}),
    clock,
    doors: { createHttpServer },
    buildkit: () =>
      (buildkit ??= import("./buildkit/buildkit.ts").then((room) => room.openBuildkit(service))),
  };
  const router = createRouter(routes);
  const closing = new AbortController();
  const servers = new Set<Server>();
  const hijacked = new Set<Duplex>();

  function createHttpServer(door: DoorOptions = { guardBrowsers: false }): Server {
    const listener: RequestListener = (request, response) => {
      void answer({ request, response, router, service, door, closing: closing.signal });
    };
    const server = door.tls === undefined ? createServer(listener) : secureServer(door.tls, listener);
    // Pulls, events and attached containers may be quiet for hours.
    server.requestTimeout = 0;
    server.timeout = 0;
    // Clients keep connections for their next call; one that was closed meanwhile fails their next POST.
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      hijacked.add(socket);
      socket.on("close", () => hijacked.delete(socket));
      void upgrade({ request, socket, head, service, closing: closing.signal }, door);
    });
    servers.add(server);
    server.on("close", () => servers.delete(server));
    return server;
  }

  return {
    createHttpServer,
    async [Symbol.asyncDispose]() {
      closing.abort(new PlyError("cancelled", "the engine is shutting down"));
      for (const socket of hijacked) socket.destroy();
      await Promise.all(
        [...servers].map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
    },
  };
}

function secureServer({ cert, key, clientCa }: DoorTls, listener: RequestListener): Server {
  const { createServer } = process.getBuiltinModule("node:https");
  const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true };
  return createServer({ cert, key, minVersion: "TLSv1.2", ...clients }, listener);
}

interface Answering {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly router: Router<Handler>;
  readonly service: Service;
  readonly door: DoorOptions;
  readonly closing: AbortSignal;
}

async function answer({ request, response, router, service, door, closing }: Answering): Promise<void> {
  const gone = new AbortController();
  const onClosing = () => gone.abort(closing.reason);
  closing.addEventListener("abort", onClosing);
  response.on("close", () => {
    closing.removeEventListener("abort", onClosing);
    if (!response.writableFinished) gone.abort(new PlyError("cancelled", "the client went away"));
  });
  // Without a listener an error on a socket that is gone would end the process.
  response.on("error", () => {});
  for (const name in COMMON_HEADERS) response.setHeader(name, COMMON_HEADERS[name] ?? "");
  try {
    if (door.guardBrowsers) refuseForeignPages(request.headers);
    const target = parseTarget(request.url ?? "/");
    const method = request.method ?? "GET";
    // HEAD is GET without a body, where no route says otherwise.
    const match =
      router.match(method, target.path) ?? (method === "HEAD" ? router.match("GET", target.path) : undefined);
    if (match === undefined) throw new PlyError("not-found", "page not found");
    const session = sessionOf(request, door);
    const exchange: Exchange = {
      method,
      ...(session === undefined ? {} : { session }),
      apiMinor: target.minor,
      params: match.params,
      query: target.query,
      headers: request.headers,
      signal: gone.signal,
      request,
      response,
    };
    await match.handler(exchange, service);
    if (!request.complete) discardBody(request, () => {});
  } catch (error) {
    fail({ request, response, service, error });
  }
}

function sessionOf({ headers }: IncomingMessage, door: DoorOptions): string | undefined {
  const named = headers[SESSION_HEADER];
  return typeof named === "string" && named !== "" ? named : door.session;
}

/** A client that is still sending after its answer gets this long to finish. */
const DISCARD_MS = 30_000;

/**
 * Reads what the client still sends, for nobody: most clients read the answer only once they have sent everything,
 * and would see a broken pipe in its place. Then calls `done`.
 */
function discardBody(request: IncomingMessage, done: () => void): void {
  request.on("error", () => {});
  const timer = setTimeout(() => request.destroy(), DISCARD_MS);
  timer.unref();
  const finish = () => {
    clearTimeout(timer);
    done();
  };
  request.once("end", finish);
  request.once("close", finish);
  request.resume();
}

function fail(options: {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly service: Service;
  readonly error: unknown;
}): void {
  const { request, response, service, error } = options;
  const status = statusOf(error);
  if (status === 500 && !response.destroyed) logFailure(service, request, error);
  // Too late for a status: a cut connection is the only way left to say that the answer is not whole.
  if (response.headersSent) {
    if (!response.writableFinished) response.destroy();
    return;
  }
  if (response.destroyed) return;
  const body = Buffer.from(`${JSON.stringify(errorBody(error))}\n`);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": body.length,
  });
  if (request.method !== "HEAD") response.write(body);
  // All of the answer is out; its end may close the connection, which must wait for the client to have sent all.
  if (request.complete) response.end();
  else discardBody(request, () => response.end());
}

function logFailure(service: Service, request: IncomingMessage, error: unknown): void {
  const path = (request.url ?? "").split("?", 1)[0];
  const words = errorBody(error).message;
  const stack = !isPlyError(error) && error instanceof Error ? `\n${error.stack ?? ""}` : "";
  service.log(`error: ${request.method} ${path}: ${words}${stack}`);
}

async function upgrade(context: UpgradeContext, door: DoorOptions): Promise<void> {
  context.socket.on("error", () => {});
  try {
    if (door.guardBrowsers) refuseForeignPages(context.request.headers);
    const session = sessionOf(context.request, door);
    await answerUpgrade(
      session === undefined ? context : { ...context, session },
      parseTarget(context.request.url ?? "/"),
    );
  } catch (error) {
    const { socket } = context;
    if (socket.writableEnded || socket.destroyed) return;
    const body = `${JSON.stringify(errorBody(error))}\n`;
    const headers = Object.entries({
      ...COMMON_HEADERS,
      "Content-Type": "application/json",
      "Content-Length": String(Buffer.byteLength(body)),
      Connection: "close",
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${statusOf(error)} Failed\r\n${headers.join("")}\r\n${body}`);
  }
}

export interface Target {
  readonly path: string;
  readonly minor: number;
  readonly query: URLSearchParams;
}

function parseTarget(url: string): Target {
  const mark = url.indexOf("?");
  const raw = mark < 0 ? url : url.slice(0, mark);
  let decoded: string;
  try {
    decoded = raw.includes("%") ? decodeURIComponent(raw) : raw;
  } catch (cause) {
    throw new PlyError("invalid", `invalid path ${JSON.stringify(raw.slice(0, 200))}`, { cause });
  }
  const { path, minor } = splitVersion(decoded);
  return { path, minor, query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)) };
}
