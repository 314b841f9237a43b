import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { PlyError } from "../error.ts";
import { attachTo } from "./attach.ts";
import type { ExecEnd, ExecOptions, RuntimeExec } from "./exec.ts";
import type { ExecContext } from "./exec-pipes.ts";
import { execFailure, runtimeErrors } from "./failure.ts";
import { killSession } from "./kill-session.ts";
import type { RuntimeStreams } from "./streams.ts";
import { resizeTerminal } from "./terminal-size.ts";

/** What conmon says in the two lines of its answer is far shorter. */
const ANSWER_LIMIT = 64 * 1024;
/** As if killed by SIGKILL: conmon died without a word. */
const LOST_EXIT_CODE = 137;

/**
 * A process on a terminal of its own. conmon holds the terminal and knows how to resize it: a person at a
 * keyboard does not notice the process more that this costs.
 */
export async function execOnTerminal(
  context: ExecContext & { readonly conmonPath: string },
  options: ExecOptions,
): Promise<RuntimeExec> {
  const { execId } = options;
  // A bundle of its own, for conmon's sockets.
  const home = join(context.bundle, `exec-${execId}`);
  await mkdir(home, { mode: 0o700 });
  const specPath = join(home, "process.json");
  await writeFile(specPath, JSON.stringify(options.process), { mode: 0o600 });
  const args = ["--api-version=1", "--sync", "--full-attach", "--exec", "--exec-attach", "-t", "-i"];
  args.push("-c", context.id, "-u", execId, "-n", execId, "-b", home, "-r", context.runtimePath);
  args.push("--exec-process-spec", specPath, "-p", join(home, "pid"), "--exit-dir", home, "-l", "off");
  const logPath = join(home, "log");
  for (const arg of [...context.runtimeArgs, `--log=${logPath}`, "--log-format=json"])
    args.push("--runtime-arg", arg);
  const conmon = spawn(context.conmonPath, args, {
    cwd: home,
    detached: true,
    env: {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      _OCI_SYNCPIPE: "3",
      _OCI_STARTPIPE: "4",
      _OCI_ATTACHPIPE: "5",
    },
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const gone = new Promise<void>((resolve) => {
    conmon.once("exit", () => resolve());
    conmon.once("error", () => resolve());
  });
  const [, , , syncPipe, startEnd, attachPipe] = conmon.stdio as readonly unknown[];
  const answers = readLines(syncPipe as Readable);
  const startPipe = startEnd as Writable;
  startPipe.on("error", () => undefined);
  // It waits for its cgroup, then for whoever is to see the first output.
  startPipe.write("\0");
  const ready = await firstData(attachPipe as Readable);
  let streams: RuntimeStreams;
  try {
    if (!ready) throw new PlyError("unavailable", `cannot start ${context.conmonPath} for a terminal`);
    streams = await attachTo(join(home, "attach"));
  } catch (error) {
    conmon.kill("SIGKILL");
    await gone;
    await rm(home, { recursive: true, force: true });
    throw error;
  }
  startPipe.end("\0");
  let pid = 0;
  const started = answers.next().then(async ({ value }) => {
    const answer = parse(value);
    pid = Math.max(0, numberIn(answer, "data") ?? numberIn(answer, "pid") ?? 0);
    if (pid > 0) return undefined;
    // The runtime's words went to the terminal that never came to be.
    const log = await readFile(logPath, "utf8").catch(() => "");
    const words = runtimeErrors(log) || String(answer["message"] ?? "conmon ended without a word");
    return execFailure(context.runtime, words, options.process.args[0] ?? "");
  });
  const ended = (async (): Promise<ExecEnd> => {
    const failure = await started;
    if (failure !== undefined) {
      await gone;
      await rm(home, { recursive: true, force: true });
      await streams[Symbol.asyncDispose]();
      return { exitCode: Number(failure.details["exitCode"]), failure };
    }
    const answer = parse((await answers.next()).value);
    await gone;
    pid = 0;
    await rm(home, { recursive: true, force: true });
    return { exitCode: numberIn(answer, "exit_code") ?? numberIn(answer, "data") ?? LOST_EXIT_CODE };
  })();
  return {
    streams: {
      output: streams.output,
      write: (bytes) => streams.write(bytes),
      end: () => streams.end(),
      // conmon reads on for nobody.
      [Symbol.asyncDispose]: () => streams[Symbol.asyncDispose](),
    },
    pid: () => pid,
    running: async () => {
      await started;
    },
    ended,
    async kill() {
      await started;
      if (pid > 0) await killSession(pid, context.members);
    },
    async resize(size) {
      await started;
      await resizeTerminal(join(home, "ctl"), size);
    },
  };
}

async function firstData(pipe: Readable): Promise<boolean> {
  for await (const _ of pipe) return true;
  return false;
}

async function* readLines(pipe: Readable): AsyncGenerator<string, string> {
  let text = "";
  for await (const chunk of pipe) {
    text += String(chunk);
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
      yield text.slice(0, at);
      text = text.slice(at + 1);
    }
    if (text.length > ANSWER_LIMIT) break;
  }
  return text;
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function numberIn(fields: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = fields[name];
  return typeof value === "number" ? value : undefined;
}
