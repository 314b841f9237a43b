import { randomBytes } from "node:crypto";
import { isPlyError, PlyError } from "../error.ts";
import { type OciProcess, type OciRuntime, type RuntimeExec, resolveUser } from "../runtime/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { ExecOptions, ExecRecord, ExecSession, ExecStart, Execs, TerminalSize } from "./execs.ts";
import { linkedVariables } from "./link-env.ts";
import { untilOwnProgram } from "./own-program.ts";
import { mergeEnv, processEnv } from "./process-config.ts";

/** How long an ended session can be asked for its exit code. */
const KEPT_MS = 5 * 60_000;
/** Sessions an engine holds at most; far above what anybody has at once. */
const LIMIT = 10_000;

export interface ExecParts {
  readonly find: (name: string) => ContainerRecord;
  readonly runtime: Pick<OciRuntime, "exec" | "processOf" | "announceExec">;
  /** With `CAP_` in front: what a privileged process gets. */
  readonly capabilities: ReadonlySet<string>;
  readonly emit: (record: ContainerRecord, action: string, more: Readonly<Record<string, string>>) => void;
  readonly clock: () => number;
}

interface Session {
  readonly id: string;
  readonly containerId: string;
  readonly options: ExecOptions;
  status: ExecRecord["status"];
  exitCode: number | null;
  endedAt: number;
  /** From its start on. */
  exec: Promise<RuntimeExec> | undefined;
  started: RuntimeExec | undefined;
}

export function openExecs({ find, runtime, capabilities, emit, clock }: ExecParts): Execs {
  const sessions = new Map<string, Session>();

  function sessionOf(id: string): Session {
    const exact = sessions.get(id);
    if (exact !== undefined) return exact;
    const matches = id === "" ? [] : [...sessions.keys()].filter((known) => known.startsWith(id));
    const match = matches.length === 1 ? sessions.get(matches[0] ?? "") : undefined;
    if (match !== undefined) return match;
    throw new PlyError("not-found", `No such exec instance: ${id}`, { details: { id } });
  }

  /** No timer of its own: whoever makes a session clears away what has been over for long. */
  function forgetOld(): void {
    const before = clock() - KEPT_MS;
    for (const [id, { status, endedAt, containerId }] of sessions)
      if ((status === "exited" && endedAt < before) || (status === "created" && !exists(containerId)))
        sessions.delete(id);
    if (sessions.size < LIMIT) return;
    for (const [id, { status }] of sessions) {
      if (status !== "running") sessions.delete(id);
      if (sessions.size < LIMIT) return;
    }
    throw new PlyError("limit", `there are ${LIMIT} exec sessions already`);
  }

  function exists(id: string): boolean {
    try {
      return find(id).id === id;
    } catch {
      return false;
    }
  }

  async function launch(session: Session, size: TerminalSize | undefined, start: ExecStart) {
    const { options, containerId, id } = session;
    const record = find(containerId);
    mustRun(record);
    await untilOwnProgram(record);
    const tty = start.tty ?? options.tty;
    const process = await processFor({ runtime, record, options, tty, size, capabilities });
    return runtime.exec(containerId, {
      execId: id,
      process,
      stdin: options.stdin && !start.detach,
      stdout: options.stdout && !start.detach,
      stderr: options.stderr && !start.detach,
    });
  }

  function end(session: Session, exitCode: number): void {
    session.status = "exited";
    session.exitCode = exitCode;
    session.endedAt = clock();
    session.started = undefined;
    session.exec = undefined;
  }

  return {
    async create(container, options) {
      const record = find(container);
      mustRun(record);
      if ((options.cmd[0] ?? "") === "") throw new PlyError("invalid", "No exec command specified");
      // Most who make a session start it at once.
      runtime.announceExec();
      forgetOld();
      const id = randomBytes(32).toString("hex");
      sessions.set(id, {
        ...{ id, containerId: record.id, options, status: "created", exitCode: null, endedAt: 0 },
        exec: undefined,
        started: undefined,
      });
      emit(record, `exec_create: ${options.cmd.join(" ")}`, { execID: id });
      return id;
    },

    get(given) {
      const { id, containerId, options, status, exitCode, started } = sessionOf(given);
      return { id, containerId, options, status, exitCode, pid: started?.pid() ?? 0 };
    },

    async start(given, start) {
      const session = sessionOf(given);
      const { id, containerId, options } = session;
      if (session.status === "running") throw new PlyError("conflict", `exec ${id} is already running`);
      if (session.status === "exited") throw new PlyError("conflict", `exec command ${id} has already run`);
      const record = find(containerId);
      mustRun(record);
      session.status = "running";
      runtime.announceExec();
      session.exec = launch(session, start.consoleSize ?? options.consoleSize, start);
      let exec: RuntimeExec;
      try {
        exec = await session.exec;
      } catch (error) {
        end(session, NOT_RUN);
        if (start.detach || !isPlyError(error)) throw error;
        // Docker has handed the connection over by now: what went wrong is all there is to read on it.
        return failedSession(start.tty ?? options.tty, error.message);
      }
      session.started = exec;
      emit(record, `exec_start: ${options.cmd.join(" ")}`, { execID: id });
      const ended = exec.ended.then(({ exitCode, failure }) => {
        end(session, exitCode);
        emit(record, "exec_die", { execID: id, exitCode: String(exitCode) });
        return failure;
      });
      if (start.detach) {
        await exec.running();
        const failure = session.started === undefined ? await ended : undefined;
        if (failure !== undefined) throw failure;
        return undefined;
      }
      return sessionStreams(exec, {
        tty: start.tty ?? options.tty,
        failure: ended.then((failure) => failure?.message),
      });
    },

    detached(given) {
      const { id, containerId } = sessionOf(given);
      if (exists(containerId)) emit(find(containerId), "exec_detach", { execID: id });
    },

    async kill(given) {
      await (await sessionOf(given).exec)?.kill();
    },

    async resize(given, size) {
      const { id, exec, status } = sessionOf(given);
      if (exec === undefined || status !== "running")
        throw new PlyError("conflict", `exec ${id} is not running`);
      await (await exec).resize(size);
    },

    idsOf: (containerId) =>
      [...sessions.values()]
        .filter((session) => session.containerId === containerId && session.status !== "exited")
        .map(({ id }) => id),
  };
}

/** Docker's exit code of what could not be run. */
const NOT_RUN = 126;

function mustRun({ id, status }: ContainerRecord): void {
  if (status === "paused")
    throw new PlyError("conflict", `container ${id} is paused, unpause the container before exec`);
  if (status === "restarting")
    throw new PlyError("conflict", `Container ${id} is restarting, wait until the container is running`);
  if (status !== "running") throw new PlyError("conflict", `container ${id} is not running`);
}

function failedSession(tty: boolean, words: string): ExecSession {
  return {
    tty,
    failure: Promise.resolve(words),
    output: (async function* () {})(),
    writeStdin: async () => undefined,
    closeStdin: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function sessionStreams(
  { streams, ended }: RuntimeExec,
  more: Pick<ExecSession, "tty" | "failure">,
): ExecSession {
  async function* output() {
    yield* streams.output;
    // Whoever has read all asks for the exit code next.
    await ended;
    await more.failure;
  }
  return {
    ...more,
    output: output(),
    writeStdin: (bytes) => streams.write(bytes),
    closeStdin: () => streams.end(),
    [Symbol.asyncDispose]: () => streams[Symbol.asyncDispose](),
  };
}

/** The container's first process as the model, with what was asked for over it. */
async function processFor(context: {
  readonly runtime: Pick<OciRuntime, "processOf">;
  readonly record: ContainerRecord;
  readonly options: ExecOptions;
  readonly tty: boolean;
  readonly size: TerminalSize | undefined;
  readonly capabilities: ReadonlySet<string>;
}): Promise<OciProcess> {
  const { record, options, tty, size } = context;
  const { process: model, hostname } = await context.runtime.processOf(record.id);
  const { consoleSize: _, ...rest } = model;
  // As the container sees it, with its mounts, which the root filesystem on the host has not.
  const user = options.user === "" ? undefined : await resolveUser(`/proc/${record.pid}/root`, options.user);
  const home = user?.home ?? homeIn(model.env);
  const env = processEnv(
    { ...record.config, Env: mergeEnv(record.config.Env ?? [], options.env) },
    { hostname, home, terminal: tty, linked: linkedVariables(record.host.networks, model.env) },
  );
  const all = options.privileged ? [...context.capabilities].map((name) => `CAP_${name}`) : undefined;
  return {
    ...rest,
    terminal: tty,
    ...(tty && size !== undefined && size.rows > 0 && size.columns > 0
      ? { consoleSize: { width: size.columns, height: size.rows } }
      : {}),
    args: options.cmd,
    env,
    cwd: options.workingDir === "" ? model.cwd : options.workingDir,
    ...(user === undefined
      ? {}
      : { user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids } }),
    ...(all === undefined
      ? {}
      : { capabilities: { ...model.capabilities, bounding: all, effective: all, permitted: all } }),
  };
}

function homeIn(env: readonly string[]): string {
  return env.find((entry) => entry.startsWith("HOME="))?.slice("HOME=".length) ?? "/";
}
