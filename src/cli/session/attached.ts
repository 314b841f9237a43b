import { isPlyError, messageOf } from "../../error.ts";
import { type DockerWaitResponse, decodeFrames } from "../../wire/index.ts";
import type { Connection } from "../client/index.ts";
import type { CommandContext } from "../command.ts";
import { ExitError } from "../failure.ts";
import { createDetachWatch, DEFAULT_DETACH_KEYS, parseDetachKeys } from "./detach.ts";

export interface AttachedOptions {
  readonly id: string;
  readonly tty: boolean;
  /** Pass standard input on. */
  readonly stdin: boolean;
  /** Pass signals on (INT, TERM, HUP, QUIT, USR1, USR2…). */
  readonly proxySignals: boolean;
  readonly detachKeys?: string | undefined;
}

const PROXIED: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
];

/**
 * Joins this process's streams, terminal and signals to a container that runs until it ends; returns its exit code.
 * The terminal is as it was afterwards, whatever happens.
 */
export async function runAttached(context: CommandContext, options: AttachedOptions): Promise<number> {
  const { engine, stdio } = context;
  const path = `/containers/${options.id}`;
  // The engine answers the wait at once and sends the code later.
  const [waiting, { connection }] = await Promise.all([
    engine.request("POST", `${path}/wait`, { query: { condition: "not-running" } }),
    engine.hijack(`${path}/attach`, {
      query: {
        stream: true,
        stdin: options.stdin,
        stdout: true,
        stderr: true,
        detachKeys: options.detachKeys,
      },
    }),
  ]);
  const undo: (() => void)[] = [() => connection.destroy(), () => waiting.destroy()];
  try {
    if (options.proxySignals) undo.push(proxySignals(context, path));
    if (options.tty && options.stdin && stdio.isTerminal("stdin")) undo.push(stdio.rawInput());
    if (options.tty) undo.push(followSize(context, path));
    const watch = createDetachWatch(parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS));
    if (options.stdin) void pumpInput(context, connection, options.tty ? watch : undefined);
    await pumpOutput(context, connection, options.tty);
    if (watch.pressed && options.tty) return 0;
    return await exitCodeOf(waiting.body);
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/** Starts a container with our input as its own, and leaves it when all of that was taken. */
export async function feed(context: CommandContext, id: string): Promise<void> {
  const path = `/containers/${id}`;
  const { connection } = await context.engine.hijack(`${path}/attach`, {
    query: { stream: true, stdin: true },
  });
  try {
    await startContainer(context, path);
    await pumpInput(context, connection, undefined);
    // The engine hangs up when it has passed everything on.
    while ((await connection.read()) !== undefined);
  } finally {
    connection.destroy();
  }
}

/** Starts a container; the runtime's "not found" and "permission denied" become 127 and 126. */
export async function startContainer(context: CommandContext, path: string): Promise<void> {
  try {
    await context.engine.json("POST", `${path}/start`);
  } catch (error) {
    throw new ExitError(startFailureCode(messageOf(error)), `Error: ${messageOf(error)}${hintOf(error)}`);
  }
}

function hintOf(error: unknown): string {
  return isPlyError(error) && error.hint !== undefined ? `\nHint: ${error.hint}` : "";
}

/** What a shell says for a command that is not there (127) or cannot be run (126); 125: the engine's own failure. */
export function startFailureCode(message: string): number {
  if (/executable file not found|no such file or directory/i.test(message)) return 127;
  if (/permission denied|is a directory|exec format error/i.test(message)) return 126;
  return 125;
}

async function exitCodeOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const answer = JSON.parse(Buffer.concat(chunks).toString("utf8")) as DockerWaitResponse;
  if (answer.Error !== undefined && answer.Error.Message !== "")
    throw new ExitError(answer.StatusCode || 125, `Error: ${answer.Error.Message}`);
  return answer.StatusCode;
}

/** Passes signals on until the returned function is called. */
export function proxySignals(context: CommandContext, path: string): () => void {
  return context.stdio.onSignal(PROXIED, (signal) => void sendSignal(context, path, signal));
}

async function sendSignal(context: CommandContext, path: string, signal: string): Promise<void> {
  try {
    await context.engine.json("POST", `${path}/kill`, { query: { signal: signal.replace(/^SIG/, "") } });
  } catch (error) {
    // It ended just now, or has not begun: its exit tells more than the failed signal.
    if (!isPlyError(error, "conflict") && !isPlyError(error, "not-found"))
      context.stdio.err(`Error: cannot pass ${signal} on: ${messageOf(error)}\n`);
  }
}

/** Tells the engine the terminal's size, now and at each change. */
export function followSize(context: CommandContext, path: string): () => void {
  let told: Promise<unknown> = Promise.resolve();
  const tell = (): void => {
    // One after the other: the last one is to count.
    told = told.then(async () => {
      const size = context.stdio.size("stdin");
      if (size === undefined) return;
      const query = { h: size.rows, w: size.columns };
      // A container that has ended has no terminal to resize.
      await context.engine.json("POST", `${path}/resize`, { query }).catch(() => undefined);
    });
  };
  tell();
  return context.stdio.onSignal(["SIGWINCH"], tell);
}

export async function pumpInput(
  context: CommandContext,
  connection: Connection,
  watch: ReturnType<typeof createDetachWatch> | undefined,
): Promise<void> {
  try {
    for await (const bytes of context.stdio.input()) {
      watch?.see(bytes);
      await connection.write(bytes);
    }
    connection.closeWrite();
  } catch {
    // The container stopped reading; its output and exit code are what counts.
  }
}

export async function pumpOutput(
  context: CommandContext,
  connection: Connection,
  tty: boolean,
): Promise<void> {
  const { stdio } = context;
  if (tty) {
    for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read())
      await stdio.writeBytes("stdout", bytes);
    return;
  }
  for await (const { stream, bytes } of decodeFrames(chunksOf(connection)))
    await stdio.writeBytes(stream === "stdout" ? "stdout" : "stderr", bytes);
}

/** What arrives, until the other side has sent all. */
export async function* chunksOf(connection: Connection): AsyncGenerator<Uint8Array> {
  for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) yield bytes;
}
