import { closeSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import { openPipe } from "../linux/index.ts";
import type { ExecEnd, ExecOptions, RuntimeExec } from "./exec.ts";
import { mergeOutput } from "./exec-output.ts";
import { execFailure, runtimeErrors } from "./failure.ts";
import { killSession } from "./kill-session.ts";

export interface ExecContext {
  readonly id: string;
  /** The container's bundle: files of the session lie in it for as long as it lasts. */
  readonly bundle: string;
  readonly runtime: string;
  readonly runtimePath: string;
  /** What to execute for it: itself, or a copy that starts faster. */
  readonly runtimeFile: string;
  readonly runtimeArgs: readonly string[];
  /** The processes of the container. */
  readonly members: () => Promise<readonly number[]>;
}

/** How often a detached process is looked at until it runs its own program. */
const START_CHECK_MS = 2;

/**
 * A process without a terminal: the runtime is our child, the process's streams are pipes of ours, and the
 * runtime ends as the process does. conmon would cost a process more and give nothing.
 */
export async function execWithPipes(context: ExecContext, options: ExecOptions): Promise<RuntimeExec> {
  const { execId, process: spec } = options;
  const specPath = join(context.bundle, `exec-${execId}.json`);
  const logPath = join(context.bundle, `exec-${execId}.log`);
  writeFileSync(specPath, JSON.stringify(spec), { mode: 0o600 });
  const theirs: number[] = [];
  const ours: number[] = [];
  const pipe = (isUsed: boolean, end: "read" | "write"): { theirs: number; ours: number } | undefined => {
    if (!isUsed) return undefined;
    const made = openPipe(end);
    const pair = end === "read" ? [made.write, made.read] : [made.read, made.write];
    const [its = -1, own = -1] = pair;
    theirs.push(its);
    ours.push(own);
    return { theirs: its, ours: own };
  };
  let child: Bun.Subprocess;
  let stdin: ReturnType<typeof pipe>;
  let stdout: ReturnType<typeof pipe>;
  let stderr: ReturnType<typeof pipe>;
  try {
    stdin = pipe(options.stdin, "write");
    stdout = pipe(options.stdout, "read");
    stderr = pipe(options.stderr, "read");
    child = Bun.spawn(
      [
        context.runtimeFile,
        ...context.runtimeArgs,
        `--log=${logPath}`,
        "--log-format=json",
        "exec",
        "--process",
        specPath,
        context.id,
      ],
      {
        argv0: context.runtimePath,
        cwd: "/",
        env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
        stdio: [stdin?.theirs ?? "ignore", stdout?.theirs ?? "ignore", stderr?.theirs ?? "ignore"],
        // What a terminal sends to the engine's group is not for it.
        detached: true,
      },
    );
  } catch (error) {
    for (const fd of ours) closeSync(fd);
    await rm(specPath, { force: true });
    throw isPlyError(error)
      ? error
      : new PlyError("unavailable", `cannot start ${context.runtimePath}: ${messageOf(error)}`, {
          cause: error,
        });
  } finally {
    for (const fd of theirs) closeSync(fd);
  }
  const ended = child.exited.then((code): ExecEnd => {
    const end = endOf(context.runtime, code, logPath, spec.args[0] ?? "");
    // Nobody waits for that: what is left behind goes with the container's bundle.
    for (const path of [specPath, logPath]) rm(path, { force: true }).catch(() => undefined);
    return end;
  });
  const pid = () => (child.exitCode === null && child.signalCode === null ? childOf(child.pid) : 0);
  const output = mergeOutput({
    stdout: stdout?.ours,
    stderr: stderr?.ours,
    ended,
    // The runtime says why it failed on the process's own stderr, in words of its own, before it says so in its log.
    isRunning: () => runsOwnProgram(child.pid, pid()),
  });
  const input = openInput(stdin?.ours);
  async function running(): Promise<void> {
    let over = false;
    void ended.then(() => {
      over = true;
    });
    while (!over && !runsOwnProgram(child.pid, pid()))
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, START_CHECK_MS))]);
  }
  return {
    streams: {
      output: output.chunks,
      write: input.write,
      end: input.end,
      async [Symbol.asyncDispose]() {
        void input.end().catch(() => undefined);
        output.discard();
      },
    },
    pid,
    running,
    ended,
    async kill() {
      await running();
      const id = pid();
      if (id > 0) await killSession(id, context.members);
    },
    async resize() {
      throw new PlyError("conflict", `exec ${execId} has no terminal to resize`);
    },
  };
}

/** What was written may wait in the pipe; one writer at a time. */
function openInput(fd: number | undefined): {
  write: (bytes: Uint8Array) => Promise<void>;
  end: () => Promise<void>;
} {
  if (fd === undefined) return { write: async () => undefined, end: async () => undefined };
  const sink = Bun.file(fd).writer();
  let last: Promise<unknown> = Promise.resolve();
  let isOpen = true;
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const turn = last.then(step);
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    write: (bytes) =>
      inTurn(async () => {
        if (!isOpen) throw new PlyError("conflict", "the process's stdin has gone");
        try {
          const written = sink.write(bytes);
          const flushed = sink.flush();
          await written;
          await flushed;
        } catch (error) {
          throw new PlyError("conflict", "the process's stdin has gone", { cause: error });
        }
      }),
    end: () =>
      inTurn(async () => {
        if (!isOpen) return;
        isOpen = false;
        try {
          await sink.end();
        } catch {
          // Nobody reads any more.
        }
        closeSync(fd);
      }),
  };
}

function endOf(runtime: string, code: number, logPath: string, command: string): ExecEnd {
  if (code === 0) return { exitCode: 0 };
  const words = runtimeErrors(readText(logPath));
  if (words === "") return { exitCode: code };
  const failure = execFailure(runtime, words, command);
  const own = failure.details["exitCode"];
  return { exitCode: typeof own === "number" ? own : 126, failure };
}

function childOf(pid: number): number {
  for (const task of readDirectory(`/proc/${pid}/task`)) {
    const child = /^\d+/.exec(readText(`/proc/${pid}/task/${task}/children`))?.[0];
    if (child !== undefined) return Number(child);
  }
  return 0;
}

/** The child starts as a copy of the runtime (runc's under another name) and becomes the program. */
function runsOwnProgram(runtimePid: number, pid: number): boolean {
  if (pid === 0) return false;
  try {
    const runtime = statSync(`/proc/${runtimePid}/exe`);
    const program = statSync(`/proc/${pid}/exe`);
    if (program.ino === runtime.ino && program.dev === runtime.dev) return false;
    return !readText(`/proc/${pid}/comm`).startsWith("runc:[");
  } catch {
    return false;
  }
}

function readDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
