import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { PlyError } from "../error.ts";

/** Bytes of the runtime's words that we read; conmon passes them on in its answer. */
const ANSWER_LIMIT = 64 * 1024;

export interface ConmonOptions {
  readonly conmonPath: string;
  readonly runtimePath: string;
  /** Global arguments of the runtime: `--root=…`. */
  readonly runtimeArgs: readonly string[];
  readonly id: string;
  readonly bundle: string;
  readonly exitDir: string;
  readonly terminal: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly logPath: string | null;
  /** Resolves when the bundle is complete; conmon is started before and waits for it. */
  readonly bundleReady: Promise<void>;
}

export interface Launched {
  readonly pid: number;
  readonly conmonPid: number;
  /** Resolves when conmon has ended: everything was passed on and the exit code is written. */
  readonly ended: Promise<void>;
}

export const PID_FILE = "pid";
export const CONMON_PID_FILE = "conmon.pid";

/**
 * Starts conmon, which has the runtime create the container; resolves when that is done. conmon stays our
 * child (`--sync`), so its end needs no watching, but has a session of its own: it outlives us.
 * Throws "internal" with the runtime's words as message.
 */
export async function launchConmon(options: ConmonOptions): Promise<Launched> {
  const { bundle, id } = options;
  const args = ["--api-version=1", "--sync", "--full-attach", "--no-sync-log"];
  args.push("-c", id, "-u", id, "-n", id, "-b", bundle, "-r", options.runtimePath);
  args.push("-p", `${bundle}/${PID_FILE}`, "-P", `${bundle}/${CONMON_PID_FILE}`);
  args.push(
    "--exit-dir",
    options.exitDir,
    "-l",
    options.logPath === null ? "off" : `k8s-file:${options.logPath}`,
  );
  for (const arg of options.runtimeArgs) args.push("--runtime-arg", arg);
  if (options.terminal) args.push("-t");
  if (options.stdin) args.push("-i");
  if (options.stdin && !options.stdinOnce) args.push("--leave-stdin-open");
  const conmon = spawn(options.conmonPath, args, {
    cwd: bundle,
    detached: true,
    env: {
      PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      _OCI_SYNCPIPE: "3",
      _OCI_STARTPIPE: "4",
      // Of its log's timestamps: those of one zone compare as text does.
      TZ: "UTC",
    },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => {
    conmon.once("exit", () => resolve());
    conmon.once("error", () => resolve());
  });
  const failed = new Promise<never>((_, reject) => {
    conmon.once("error", (error) =>
      reject(
        new PlyError("unavailable", `cannot start ${options.conmonPath}: ${error.message}`, { cause: error }),
      ),
    );
  });
  failed.catch(() => undefined);
  const syncPipe = conmon.stdio[3] as Readable;
  const startPipe = conmon.stdio[4] as Writable;
  startPipe.on("error", () => undefined);
  const complaints = readText(conmon.stderr as Readable);
  try {
    await Promise.race([options.bundleReady, failed]);
  } catch (error) {
    // The end of the pipe alone would let it go on.
    conmon.kill("SIGKILL");
    await ended;
    throw error;
  }
  startPipe.end("\0");
  const answer = await Promise.race([readAnswer(syncPipe), failed]);
  syncPipe.destroy();
  if (answer !== undefined && answer.pid > 0 && conmon.pid !== undefined) {
    conmon.stderr?.destroy();
    conmon.unref();
    return { pid: answer.pid, conmonPid: conmon.pid, ended };
  }
  await ended;
  const words = answer?.message || (await complaints) || "conmon ended without a word";
  throw new PlyError("internal", words.trim());
}

/** `{"data": PID}` or `{"data": -1, "message": "…"}`, one line. Undefined when conmon died first. */
async function readAnswer(pipe: Readable): Promise<{ pid: number; message: string } | undefined> {
  let text = "";
  for await (const chunk of pipe) {
    text += String(chunk);
    if (text.includes("\n") || text.length > ANSWER_LIMIT) break;
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null) return undefined;
    const fields = parsed as Readonly<Record<string, unknown>>;
    const pid = fields["data"] ?? fields["pid"];
    return { pid: typeof pid === "number" ? pid : -1, message: String(fields["message"] ?? "") };
  } catch {
    return undefined;
  }
}

async function readText(pipe: Readable): Promise<string> {
  let text = "";
  try {
    for await (const chunk of pipe) if (text.length < ANSWER_LIMIT) text += String(chunk);
  } catch {
    // Destroyed on success: nobody asks.
  }
  return text;
}
