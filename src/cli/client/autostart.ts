import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, PlyError } from "../../error.ts";
import { logTail } from "../../host-file.ts";
import { OWNED_BY_ANOTHER } from "../failure.ts";
import type { EngineAddress } from "./address.ts";
import { connect } from "./connect.ts";

/** An engine that recovers a large store may take a while; one that says nothing for longer is stuck. */
const START_TIMEOUT_MS = 60_000;
/** The socket's file appears a moment before somebody listens on it. */
const RETRY_MS = 20;

export interface StartOptions {
  readonly address: EngineAddress & { readonly kind: "unix" };
  /** The words that run this program: the binary, or Bun and the script. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Starts `ply serve` as a process of its own, its words going to `engine.log` beside the socket, and returns once
 * the socket answers; returns the log's path. Two commands may do so at once: the engine that comes second ends, and both use the first.
 * Throws "unavailable" with the end of the log, "denied" where this user may not start one.
 */
export async function startEngine(options: StartOptions): Promise<string> {
  const { address } = options;
  const runRoot = dirname(address.path);
  const logPath = join(runRoot, "engine.log");
  const log = openLog(runRoot, logPath);
  const [program = process.execPath, ...words] = options.program;
  let child: ChildProcess;
  try {
    child = spawn(program, [...words, "serve"], {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
      env: { ...options.env },
    });
  } finally {
    closeSync(log);
  }
  child.unref();
  await waitUntilAnswering(child, address, logPath);
  return logPath;
}

function openLog(runRoot: string, logPath: string): number {
  try {
    mkdirSync(runRoot, { recursive: true, mode: 0o711 });
    return openSync(logPath, "a", 0o600);
  } catch (cause) {
    throw new PlyError(
      "denied",
      `no ply engine runs, and none can be started here: cannot write ${logPath}: ${messageOf(cause)}`,
      { hint: "start it as root, sudo ply serve, or talk to another one with PLY_HOST", cause },
    );
  }
}

async function waitUntilAnswering(
  child: ChildProcess,
  address: EngineAddress,
  logPath: string,
): Promise<void> {
  let look = (): void => {};
  let gone: string | undefined;
  let lostTheRace = false;
  const watcher = watch(dirname(logPath), () => look());
  child.once("error", (error) => {
    gone = error.message;
    look();
  });
  child.once("exit", (code, signal) => {
    lostTheRace = code === OWNED_BY_ANOTHER;
    gone = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
    look();
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        look = resolve;
        setTimeout(resolve, RETRY_MS);
      });
      if (await answers(address)) return;
      if ((gone !== undefined && !lostTheRace) || Date.now() > deadline)
        throw new PlyError(
          "unavailable",
          `the ply engine did not start: ${gone ?? "it does not answer"}${logTail(logPath)}`,
          {
            hint: `see ${logPath}`,
          },
        );
      await changed;
    }
  } finally {
    watcher.close();
    child.removeAllListeners();
  }
}

async function answers(address: EngineAddress): Promise<boolean> {
  try {
    (await connect(address)).destroy();
    return true;
  } catch {
    return false;
  }
}
