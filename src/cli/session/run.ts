import { PlyError } from "../../error.ts";
import { decodeFrames, type ErrorBody, type PlyRunMessage } from "../../wire/index.ts";
import type { Connection, RequestOptions } from "../client/index.ts";
import type { CommandContext } from "../command.ts";
import { ExitError } from "../failure.ts";
import { chunksOf, followSize, proxySignals, pumpInput, startFailureCode } from "./attached.ts";
import { parseDetachKeys } from "./detach.ts";

export interface RunOptions {
  /** The request that runs it: `wire/ply-run.ts`. */
  readonly path: string;
  readonly request: Pick<RequestOptions, "query" | "json">;
  /** Pass standard input on. */
  readonly stdin: boolean;
  /** Pass signals on (INT, TERM, HUP, QUIT, USR1, USR2…). */
  readonly proxySignals: boolean;
  readonly detachKeys?: string | undefined;
}

/** A container that is about to start, joined to this process's streams. */
export interface Running extends Disposable {
  readonly id: string;
  readonly warnings: readonly string[];
  /**
   * Returns its exit code; 0 when its user pressed the detach keys. The terminal is as it was afterwards, whatever
   * happens. Throws ExitError 125, 126 or 127 when it cannot start.
   */
  finish(): Promise<number>;
}

type Attached = PlyRunMessage & { readonly type: "attached" };

/** Has the engine start a container joined to our streams. Throws the engine's error when there is no such container. */
export async function openRun(context: CommandContext, options: RunOptions): Promise<Running> {
  const { detachKeys, request } = options;
  if (detachKeys !== undefined) parseDetachKeys(detachKeys);
  const { connection } = await context.engine.hijack(options.path, {
    ...request,
    query: { ...request.query, detachKeys },
  });
  const parts = partsOf(connection);
  const first = (await parts.next()).value;
  if (first === undefined || !("type" in first) || first.type !== "attached") throw lostEngine();
  const { id, warnings } = first;
  return {
    id,
    warnings,
    finish: () => finish(context, options, { connection, parts, attached: first }),
    [Symbol.dispose]: () => connection.destroy(),
  };
}

async function finish(
  context: CommandContext,
  options: RunOptions,
  running: {
    readonly connection: Connection;
    readonly parts: AsyncGenerator<Output | PlyRunMessage>;
    readonly attached: Attached;
  },
): Promise<number> {
  const { stdio } = context;
  const { connection, attached } = running;
  const path = `/containers/${attached.id}`;
  const undo: (() => void)[] = [];
  try {
    if (options.proxySignals) undo.push(proxySignals(context, path));
    if (attached.tty && options.stdin && stdio.isTerminal("stdin")) undo.push(stdio.rawInput());
    if (options.stdin) void pumpInput(context, connection, undefined);
    for await (const part of running.parts)
      if ("bytes" in part) await stdio.writeBytes(part.stream, part.bytes);
      else if (part.type === "started") undo.push(followSize(context, path));
      else if (part.type === "failed") throw startFailure(part.error);
      else if (part.type === "ended") return codeOf(part);
    throw lostEngine();
  } finally {
    for (const step of undo.reverse()) step();
  }
}

function codeOf({ exitCode, error }: PlyRunMessage & { readonly type: "ended" }): number {
  if (error !== undefined) throw new ExitError(exitCode || 125, `Error: ${error}`);
  return exitCode ?? 0;
}

function startFailure({ message, hint }: ErrorBody): ExitError {
  const more = hint === undefined ? "" : `\nHint: ${hint}`;
  return new ExitError(startFailureCode(message), `Error: ${message}${more}`);
}

function lostEngine(): PlyError {
  return new PlyError("unavailable", "the engine closed the connection before the container ended", {
    hint: "see whether it still runs: ply ps",
  });
}

interface Output {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
}

/** What the container prints and what the engine says between, in order. */
async function* partsOf(connection: Connection): AsyncGenerator<Output | PlyRunMessage, undefined> {
  let said = "";
  for await (const { stream, bytes } of decodeFrames(chunksOf(connection))) {
    if (stream !== "system") {
      yield { stream: stream === "stdout" ? "stdout" : "stderr", bytes };
      continue;
    }
    const lines = (said + Buffer.from(bytes).toString()).split("\n");
    said = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as PlyRunMessage;
  }
}
