import { PlyError } from "../../error.ts";
import {
  type DockerExecCreateRequest,
  type DockerExecStartRequest,
  decodeFrames,
  EXEC_ID_HEADER,
  type PlyExecEnd,
} from "../../wire/index.ts";
import type { Connection } from "../client/index.ts";
import type { CommandContext } from "../command.ts";
import { chunksOf, followSize, pumpInput } from "./attached.ts";
import { parseDetachKeys } from "./detach.ts";

export interface ExecOptions {
  /** As it goes into the path of a request. */
  readonly container: string;
  readonly request: DockerExecCreateRequest;
  /** Leave it running without any streams. */
  readonly detach: boolean;
}

/** Runs one more process in a container, joined to this process's streams and terminal; returns its exit code. */
export async function runExec(context: CommandContext, options: ExecOptions): Promise<number> {
  const { engine, stdio } = context;
  const { request, container } = options;
  const tty = request.Tty === true;
  const stdin = request.AttachStdin === true;
  if (request.DetachKeys) parseDetachKeys(request.DetachKeys);
  if (options.detach) {
    await execDetached(context, options);
    return 0;
  }
  const { connection, headers } = await engine.hijack(`/ply/containers/${container}/exec`, { json: request });
  const undo: (() => void)[] = [() => connection.destroy()];
  try {
    if (tty && stdin && stdio.isTerminal("stdin")) undo.push(stdio.rawInput());
    if (tty) undo.push(followSize(context, `/exec/${headers.get(EXEC_ID_HEADER.toLowerCase())}`));
    if (stdin) void pumpInput(context, connection, undefined);
    return await showOutput(context, connection);
  } finally {
    for (const step of undo.reverse()) step();
  }
}

async function execDetached({ engine }: CommandContext, { container, request }: ExecOptions): Promise<void> {
  const { Id } = await engine.json<{ Id: string }>("POST", `/containers/${container}/exec`, {
    json: request,
  });
  const start: DockerExecStartRequest = { Detach: true, Tty: request.Tty === true };
  await engine.json("POST", `/exec/${Id}/start`, { json: start });
}

/** Resolves with the exit code; 0 when it runs on without us. */
async function showOutput({ stdio }: CommandContext, connection: Connection): Promise<number> {
  let told = "";
  for await (const { stream, bytes } of decodeFrames(chunksOf(connection)))
    if (stream === "system") told += Buffer.from(bytes).toString();
    else await stdio.writeBytes(stream === "stdout" ? "stdout" : "stderr", bytes);
  if (told === "")
    throw new PlyError("unavailable", "the engine closed the connection before the command ended", {
      hint: "see whether it still runs: ply version",
    });
  return (JSON.parse(told) as PlyExecEnd).ExitCode ?? 0;
}
