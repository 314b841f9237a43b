import type { Attachment, ContainerRecord } from "../container/index.ts";
import { PlyError } from "../error.ts";
import { detachScanner, parseDetachKeys } from "./detach-keys.ts";
import { type Exchange, param } from "./exchange.ts";
import { execByUpgrade, execInOneByUpgrade } from "./exec-routes.ts";
import { loggedOutput } from "./log-routes.ts";
import { queryBoolean } from "./query.ts";
import { runByUpgrade } from "./run-routes.ts";
import type { ApiRoute, BuildkitPath, Service, UpgradeContext } from "./service.ts";
import { contentType, inputOf, pumpInput, pumpOutput, type StreamTarget } from "./stream-pump.ts";
import { hangUp, upgradedHead } from "./upgrade.ts";
import { acceptWebSocket } from "./websocket.ts";

/**
 * `attach`: a client's terminal or pipes on a container's streams. Clients of today upgrade the connection and then
 * own it both ways; others get the output as the answer's body and send stdin as the request's.
 */
export const attachRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/containers/{name}/attach", handler: attachByBody },
  { method: "GET", path: "/containers/{name}/attach/ws", handler: websocketWithoutUpgrade },
];

const EXEC_START_PATH = /^\/exec\/([^/]+)\/start$/;
const WEBSOCKET_PATH = /^\/containers\/([^/]+)\/attach\/ws$/;
const PLY_EXEC_PATH = /^\/ply\/containers\/([^/]+)\/exec$/;
const ATTACH_PATH = /^\/containers\/([^/]+)\/attach$/;

function isBuildkitPath(path: string): path is BuildkitPath {
  return path === "/grpc" || path === "/session";
}

/** Answers a request with `Upgrade`. Throws when there is nothing to hand the connection to. */
export async function answerUpgrade(
  context: UpgradeContext,
  target: { readonly path: string; readonly query: URLSearchParams; readonly minor: number },
): Promise<void> {
  if (context.request.method === "POST" && isBuildkitPath(target.path))
    return (await context.service.buildkit()).answer(context, target.path);
  const execId = EXEC_START_PATH.exec(target.path)?.[1];
  if (context.request.method === "POST" && execId !== undefined)
    return execByUpgrade(context, execId, target.minor);
  const execIn = PLY_EXEC_PATH.exec(target.path)?.[1];
  if (context.request.method === "POST" && execIn !== undefined) return execInOneByUpgrade(context, execIn);
  if (await runByUpgrade(context, target)) return;
  const bySocket = WEBSOCKET_PATH.exec(target.path)?.[1];
  if (context.request.method === "GET" && bySocket !== undefined)
    return attachByWebSocket(context, bySocket, target.query);
  const name = ATTACH_PATH.exec(target.path)?.[1];
  if (context.request.method !== "POST" || name === undefined)
    throw new PlyError("unsupported", `${context.request.method} ${target.path} cannot be upgraded`, {
      hint: "send the request without the Upgrade header",
    });
  const request = attachRequest(name, target.query, context.service);
  await using attachment = await openAttachment(request, context.service);
  const { socket } = context;
  socket.write(upgradedHead(contentType(request, target.minor)));
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, context.closing]);
  const input = inputOf(socket, context.head);
  const detached = pumpInput({ target: request, attachment, input, signal, log: context.service.log });
  await pumpOutput({ target: request, attachment, sink: socket, signal, until: detached });
  hangUp(socket);
}

/** Browsers have nothing else: frames of bytes, the output unframed as on a terminal. */
async function attachByWebSocket(
  context: UpgradeContext,
  name: string,
  query: URLSearchParams,
): Promise<void> {
  const { socket, service, closing } = context;
  const request = attachRequest(name, query, service);
  await using attachment = await openAttachment(request, service);
  const connection = acceptWebSocket(context);
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const detached = pumpInput({
    target: request,
    attachment,
    input: connection.input,
    signal,
    log: service.log,
  });
  await pumpOutput({ target: request, attachment, sink: connection, signal, until: detached, isRaw: true });
  connection.close();
  socket.resume();
}

function websocketWithoutUpgrade(): never {
  throw new PlyError("invalid", "not a websocket handshake", {
    hint: "send Upgrade: websocket, or POST to /attach",
  });
}

async function attachByBody(exchange: Exchange, service: Service): Promise<void> {
  const request = attachRequest(param(exchange, "name"), exchange.query, service);
  await using attachment = await openAttachment(request, service);
  const { response, signal } = exchange;
  response.writeHead(200, { "Content-Type": contentType(request, exchange.apiMinor) });
  response.flushHeaders();
  const input = exchange.request as AsyncIterable<Uint8Array>;
  const detached = pumpInput({ target: request, attachment, input, signal, log: service.log });
  await pumpOutput({ target: request, attachment, sink: response, signal, until: detached });
  response.end();
}

interface AttachRequest extends StreamTarget {
  readonly container: ContainerRecord;
  readonly isStream: boolean;
  /** What was printed before comes first. */
  readonly logs: { readonly stdout: boolean; readonly stderr: boolean } | undefined;
}

/**
 * Of a container that runs, all output comes through its log when the log is asked for: between what was printed and
 * what is being printed nothing is missing, and nothing there twice.
 */
async function openAttachment(
  { container, streams, logs, isStream }: AttachRequest,
  { engine }: Service,
): Promise<Attachment> {
  const { id, host, status } = container;
  const runs = status === "running" || status === "paused" || status === "restarting";
  if (logs === undefined || host.logging?.driver === "none") return engine.containers.attach(id, streams);
  const viaLog = runs && isStream;
  const live = viaLog || !isStream ? { ...streams, stdout: false, stderr: false } : streams;
  const attachment = await engine.containers.attach(id, live);
  const gone = new AbortController();
  const logged = loggedOutput(
    engine.containers.logs(id, { ...logs, timestamps: false, details: false, follow: viaLog }, gone.signal),
  );
  async function* both() {
    yield* logged;
    if (!viaLog && isStream) yield* attachment.output;
  }
  return {
    output: both(),
    writeStdin: (bytes) => attachment.writeStdin(bytes),
    closeStdin: () => attachment.closeStdin(),
    async [Symbol.asyncDispose]() {
      gone.abort();
      await attachment[Symbol.asyncDispose]();
    },
  };
}

function attachRequest(name: string, query: URLSearchParams, { engine }: Service): AttachRequest {
  const container = engine.containers.get(name);
  const isStream = queryBoolean(query, "stream");
  const withLogs = queryBoolean(query, "logs");
  const keys = query.get("detachKeys");
  const { tty, openStdin, stdinOnce } = container.process;
  return {
    container,
    what: `attach ${container.name}`,
    tty,
    // Docker's rule: input ends with the client when the container was made for one client; a terminal stays.
    closesStdin: stdinOnce && !tty,
    endsWithInput: isStream && !queryBoolean(query, "stdout") && !queryBoolean(query, "stderr"),
    isStream,
    logs: withLogs
      ? { stdout: queryBoolean(query, "stdout"), stderr: queryBoolean(query, "stderr") }
      : undefined,
    // Without `stream` only what was logged is wanted.
    streams: {
      stdin: isStream && openStdin && queryBoolean(query, "stdin"),
      stdout: (isStream || withLogs) && queryBoolean(query, "stdout"),
      stderr: (isStream || withLogs) && queryBoolean(query, "stderr"),
    },
    detach: tty || keys !== null ? detachScanner(parseDetachKeys(keys)) : undefined,
  };
}
