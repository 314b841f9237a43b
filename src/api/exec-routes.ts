import type { ExecOptions, ExecSession, ExecStart, TerminalSize } from "../container/index.ts";
import { isPlyError, PlyError } from "../error.ts";
import type { DockerExecInspect, DockerTop, PlyExecEnd } from "../wire/index.ts";
import { EXEC_ID_HEADER, encodeFrame, MULTIPLEXED_STREAM } from "../wire/index.ts";
import { detachScanner, parseDetachKeys } from "./detach-keys.ts";
import { type Exchange, param, readJson, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import { type Fields, flag, text, texts, words } from "./fields.ts";
import { queryInteger } from "./query.ts";
import type { ApiRoute, Service, UpgradeContext } from "./service.ts";
import { contentType, inputOf, pumpInput, pumpOutput, type Sink, type StreamTarget } from "./stream-pump.ts";
import { hangUp, upgradedHead } from "./upgrade.ts";

/** More processes in running containers: created, started with a connection of the client's own, asked for their end. */
export const execRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/containers/{name}/exec", handler: create },
  { method: "POST", path: "/exec/{id}/start", handler: start },
  { method: "POST", path: "/exec/{id}/resize", handler: resize },
  { method: "GET", path: "/exec/{id}/json", handler: inspect },
  { method: "GET", path: "/containers/{name}/top", handler: top },
];

const MAX_CELLS = 65_535;

async function create(exchange: Exchange, { engine }: Service): Promise<void> {
  const options = execOptions(await readJsonObject(exchange));
  sendJson(exchange, 201, { Id: await engine.containers.execs.create(param(exchange, "name"), options) });
}

function execOptions(body: Fields): ExecOptions {
  const detachKeys = text(body, "DetachKeys");
  parseDetachKeys(detachKeys);
  const size = consoleSize(body);
  return {
    cmd: words(body, "Cmd"),
    env: texts(body, "Env") ?? [],
    workingDir: text(body, "WorkingDir"),
    user: text(body, "User"),
    tty: flag(body, "Tty"),
    privileged: flag(body, "Privileged"),
    stdin: flag(body, "AttachStdin"),
    stdout: flag(body, "AttachStdout"),
    stderr: flag(body, "AttachStderr"),
    detachKeys,
    ...(size === undefined ? {} : { consoleSize: size }),
  };
}

async function start(exchange: Exchange, service: Service): Promise<void> {
  const id = param(exchange, "id");
  const request = startRequest(await readJson(exchange));
  const session = await startSession(service, id, request);
  if (session === undefined) return sendEmpty(exchange, 200);
  await using open = session;
  const { response, signal } = exchange;
  const target = targetOf(service, id, open);
  response.writeHead(200, { "Content-Type": contentType(target, exchange.apiMinor) });
  response.flushHeaders();
  // A client that did not ask for the connection has sent all it had: there is no input.
  await serve({ id, target, session: open, input: nothing(), sink: response, signal, service });
  response.end();
}

/** `start` of a client that takes the connection over. */
export async function execByUpgrade(context: UpgradeContext, id: string, minor: number): Promise<void> {
  const { socket, service } = context;
  const request = startRequest(await readJson(context));
  const session = await startSession(service, id, request);
  if (session === undefined) {
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  await using open = session;
  const target = targetOf(service, id, open);
  socket.write(upgradedHead(contentType(target, minor)));
  await serveUpgraded(context, { id, target, session: open });
  hangUp(socket);
}

/**
 * `POST /ply/containers/{name}/exec`: Docker's create, start and inspect in one request. The answer's frames end with
 * one of "system" that holds a {@link PlyExecEnd}; a terminal's output comes in frames too.
 */
export async function execInOneByUpgrade(context: UpgradeContext, name: string): Promise<void> {
  const { socket, service } = context;
  const { execs } = service.engine.containers;
  const options = execOptions(await readJsonObject(context));
  const id = await execs.create(name, options);
  const session = await startSession(service, id, { detach: false });
  if (session === undefined) throw new PlyError("internal", `exec ${id} has no streams`);
  await using open = session;
  socket.write(upgradedHead(MULTIPLEXED_STREAM, { [EXEC_ID_HEADER]: id }));
  await serveUpgraded(context, { id, target: targetOf(service, id, open), session: open, isRaw: false });
  const end: PlyExecEnd = { ExitCode: execs.get(id).exitCode };
  socket.write(encodeFrame({ stream: "system", bytes: Buffer.from(JSON.stringify(end)) }));
  hangUp(socket);
}

async function serveUpgraded(
  { socket, head, service, closing }: UpgradeContext,
  serving: Pick<Serving, "id" | "target" | "session" | "isRaw">,
): Promise<void> {
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  await serve({ ...serving, input: inputOf(socket, head), sink: socket, signal, service });
}

async function startSession(
  { engine }: Service,
  id: string,
  request: ExecStart,
): Promise<ExecSession | undefined> {
  try {
    return await engine.containers.execs.start(id, request);
  } catch (error) {
    // Docker's client turns a 400 whose text names the reason into exit code 126 or 127.
    if (isPlyError(error) && typeof error.details["exitCode"] === "number")
      throw new PlyError(error.kind, error.message, {
        cause: error,
        details: { ...error.details, httpStatus: 400 },
      });
    throw error;
  }
}

interface Serving {
  readonly id: string;
  readonly target: StreamTarget;
  readonly session: ExecSession;
  readonly input: AsyncIterable<Uint8Array>;
  readonly sink: Sink;
  readonly signal: AbortSignal;
  readonly service: Service;
  /** Frames or none: as Docker does by the kind of the target, unless it is said. */
  readonly isRaw?: boolean;
}

/** Joins client and process until the process has ended, the client has gone, or its user pressed the keys. */
async function serve(serving: Serving): Promise<void> {
  const { id, target, session, input, sink, signal, service, isRaw = target.tty } = serving;
  const { log, engine } = service;
  const detached = pumpInput({ target, attachment: session, input, signal, log }).then(() =>
    engine.containers.execs.detached(id),
  );
  let isOver = false;
  const over = session.failure.then((failure) => {
    isOver = true;
    return failure;
  });
  await pumpOutput({ target, attachment: session, sink, signal, until: detached, isRaw });
  if (!isOver || signal.aborted) return;
  const failure = await over;
  if (failure === undefined) return;
  // The connection is the client's already: Docker too says it where the output would have been.
  const bytes = Buffer.from(`${failure}\r\n`);
  if (isRaw) sink.write(bytes);
  else sink.write(encodeFrame({ stream: target.streams.stderr ? "stderr" : "stdout", bytes }));
}

function targetOf({ engine }: Service, id: string, { tty }: ExecSession): StreamTarget {
  const { options } = engine.containers.execs.get(id);
  const { stdin, stdout, stderr, detachKeys } = options;
  return {
    what: `exec ${id.slice(0, 12)}`,
    tty,
    streams: { stdin, stdout: stdout || tty, stderr },
    detach: tty || detachKeys !== "" ? detachScanner(parseDetachKeys(detachKeys)) : undefined,
    closesStdin: !tty,
  };
}

async function resize(exchange: Exchange, { engine }: Service): Promise<void> {
  const rows = queryInteger(exchange.query, "h") ?? 0;
  const columns = queryInteger(exchange.query, "w") ?? 0;
  if (!isSize(rows) || !isSize(columns))
    throw new PlyError("invalid", `invalid terminal size: ${columns}x${rows}`);
  await engine.containers.execs.resize(param(exchange, "id"), { columns, rows });
  sendEmpty(exchange, 200);
}

function inspect(exchange: Exchange, { engine }: Service): void {
  const { id, containerId, options, status, exitCode, pid } = engine.containers.execs.get(
    param(exchange, "id"),
  );
  const [entrypoint = "", ...args] = options.cmd;
  const body: DockerExecInspect = {
    ID: id,
    Running: status === "running",
    ExitCode: exitCode,
    ProcessConfig: {
      tty: options.tty,
      entrypoint,
      arguments: args,
      privileged: options.privileged,
      ...(options.user === "" ? {} : { user: options.user }),
    },
    OpenStdin: options.stdin,
    OpenStderr: options.stderr,
    OpenStdout: options.stdout,
    CanRemove: status === "exited",
    ContainerID: containerId,
    DetachKeys: options.detachKeys,
    Pid: pid,
  };
  sendJson(exchange, 200, body);
}

async function top(exchange: Exchange, { engine }: Service): Promise<void> {
  const options = exchange.query.get("ps_args") ?? "";
  const { titles, processes } = await engine.containers.top(param(exchange, "name"), options);
  const body: DockerTop = { Titles: titles, Processes: processes };
  sendJson(exchange, 200, body);
}

function startRequest(body: unknown): ExecStart {
  const fields = (typeof body === "object" && body !== null ? body : {}) as Fields;
  const size = consoleSize(fields);
  return {
    detach: flag(fields, "Detach"),
    ...(fields["Tty"] === undefined ? {} : { tty: flag(fields, "Tty") }),
    ...(size === undefined ? {} : { consoleSize: size }),
  };
}

/** Rows, then columns. */
function consoleSize(body: Fields): TerminalSize | undefined {
  const given = body["ConsoleSize"];
  if (given === undefined || given === null) return undefined;
  const [rows, columns]: readonly unknown[] = Array.isArray(given) ? given : [];
  if (isSize(rows) && isSize(columns)) return { rows, columns };
  throw new PlyError("invalid", "invalid ConsoleSize: it is not a pair of rows and columns");
}

function isSize(cells: unknown): cells is number {
  return typeof cells === "number" && Number.isInteger(cells) && cells >= 0 && cells <= MAX_CELLS;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
