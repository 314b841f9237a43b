import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PlyError, throwIfAborted } from "../error.ts";
import { logTail } from "../host-file.ts";
import { createClient, type EngineClient } from "./client.ts";
import { makeHome, sweep } from "./home.ts";
import { createHttp } from "./http.ts";
import { findProgram } from "./program.ts";

export interface StartOptions {
  /**
   * Where images are kept from one program to the next; containers, networks and volumes go all the same. Absent: a
   * folder that goes with the engine.
   */
  readonly root?: string;
  readonly storageDriver?: string;
  /** Folder with `engine.json`, `registries.json` and `certs.d/`. */
  readonly config?: string;
  /** The words that run ply; found when absent (`PLY_BINARY`, the package's binary, `ply` on PATH, Bun). */
  readonly program?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
}

/** An engine of the program's own: torn down with it, whether it closes, ends or is killed. */
export interface OwnEngine extends AsyncDisposable {
  readonly client: EngineClient;
  readonly socketPath: string;
  /** `unix://…`, for DOCKER_HOST. */
  readonly host: string;
  /** What makes other tools use it: `Object.assign(process.env, engine.env)` before testcontainers is loaded. */
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  /** What the engine writes; goes with it unless `root` was given. */
  readonly logPath: string;
  /** Ends it with all its containers, networks and volumes, and returns once they are gone. */
  close(): Promise<void>;
}

/** An engine that recovers a large store may take a while; one that says nothing for longer is stuck. */
const START_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 5;

/**
 * Starts an engine that belongs to this program alone. It lives as long as a pipe to this process, so it needs no
 * goodbye. Throws "unsupported" when there is no ply, "unavailable" with the end of its log when it does not start,
 * "conflict" when another engine has that root.
 */
export async function startEngine(options: StartOptions = {}): Promise<OwnEngine> {
  throwIfAborted(options.signal);
  const env = { ...process.env, ...options.env };
  const program = options.program ?? findProgram(env);
  const parent = join(tmpdir(), `ply-engines-${process.getuid?.() ?? 0}`);
  sweep(parent, program);
  const root = options.root === undefined ? makeHome(parent) : resolve(options.root);
  const runRoot = join(root, "run");
  const socketPath = join(runRoot, "ply.sock");
  const logPath = join(runRoot, "engine.log");
  mkdirSync(runRoot, { recursive: true, mode: 0o711 });
  const child = launch({ program, env, logPath, args: argumentsOf(options, { root, runRoot, socketPath }) });
  const http = createHttp({ socketPath });
  try {
    await answering(child, () => http.json("GET", "/version"), { logPath, signal: options.signal });
  } catch (error) {
    child.stdin?.end();
    throw error;
  }
  // The pipe lasts as long as the program, and keeps no program from ending.
  child.unref();
  (child.stdin as Partial<Socket> | null)?.unref?.();
  const close = async (): Promise<void> => {
    http.close();
    const gone = exited(child);
    child.stdin?.end();
    await gone;
    // One that was killed could not tidy up behind itself.
    sweep(parent, program);
  };
  return {
    client: createClient(http),
    socketPath,
    host: `unix://${socketPath}`,
    env: {
      DOCKER_HOST: `unix://${socketPath}`,
      // Everything goes with the engine: nobody needs to look after it.
      TESTCONTAINERS_RYUK_DISABLED: "true",
    },
    pid: child.pid ?? 0,
    logPath,
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Places {
  readonly root: string;
  readonly runRoot: string;
  readonly socketPath: string;
}

function argumentsOf(options: StartOptions, { root, runRoot, socketPath }: Places): string[] {
  return [
    "serve",
    ...["--root", root, "--run-root", runRoot, "-H", `unix://${socketPath}`],
    ...["--ephemeral", options.root === undefined ? "all" : "containers"],
    ...(options.storageDriver === undefined ? [] : ["--storage-driver", options.storageDriver]),
    ...(options.config === undefined ? [] : ["--config", options.config]),
  ];
}

interface Launch {
  readonly program: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
}

/** A process group of its own: Ctrl-C is for the program, which then lets go of the engine. */
function launch({ program: [command = "", ...words], args, env, logPath }: Launch): ChildProcess {
  const log = openSync(logPath, "a", 0o600);
  try {
    return spawn(command, [...words, ...args], { detached: true, stdio: ["pipe", log, log], cwd: "/", env });
  } finally {
    closeSync(log);
  }
}

async function answering(
  child: ChildProcess,
  ping: () => Promise<unknown>,
  options: { readonly logPath: string; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  for (;;) {
    throwIfAborted(options.signal);
    if (
      failure !== undefined ||
      child.exitCode !== null ||
      child.signalCode !== null ||
      Date.now() > deadline
    )
      throw new PlyError("unavailable", `the ply engine did not start${logTail(options.logPath)}`, {
        ...(failure === undefined ? {} : { cause: failure }),
      });
    try {
      await ping();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.ref();
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
