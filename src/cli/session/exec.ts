import type { DockerExecCreateRequest, DockerExecInspect, DockerExecStartRequest } from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { followSize, pumpInput, pumpOutput } from "./attached.ts";
import { createDetachWatch, DEFAULT_DETACH_KEYS, parseDetachKeys } from "./detach.ts";

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
  const { request, detach } = options;
  const tty = request.Tty === true;
  const stdin = request.AttachStdin === true;
  const keys = parseDetachKeys(request.DetachKeys || DEFAULT_DETACH_KEYS);
  const { Id } = await engine.json<{ Id: string }>("POST", `/containers/${options.container}/exec`, {
    json: request,
  });
  const path = `/exec/${Id}`;
  const start: DockerExecStartRequest = {
    Detach: detach,
    Tty: tty,
    ...(request.ConsoleSize === undefined ? {} : { ConsoleSize: request.ConsoleSize }),
  };
  if (detach) {
    await engine.json("POST", `${path}/start`, { json: start });
    return 0;
  }
  const { connection } = await engine.hijack(`${path}/start`, { json: start });
  const undo: (() => void)[] = [() => connection.destroy()];
  try {
    if (tty && stdin && stdio.isTerminal("stdin")) undo.push(stdio.rawInput());
    if (tty) undo.push(followSize(context, path));
    const watch = createDetachWatch(keys);
    if (stdin) void pumpInput(context, connection, tty ? watch : undefined);
    await pumpOutput(context, connection, tty);
    if (watch.pressed && tty) return 0;
    const { ExitCode } = await engine.json<DockerExecInspect>("GET", `${path}/json`);
    return ExitCode ?? 0;
  } finally {
    for (const step of undo.reverse()) step();
  }
}
