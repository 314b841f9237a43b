import { isPlyError } from "../error.ts";
import { encodeFrame, MULTIPLEXED_STREAM, type PlyRunMessage } from "../wire/index.ts";
import { createContainer, endingOf, startContainer } from "./container-routes.ts";
import { detachScanner, parseDetachKeys } from "./detach-keys.ts";
import { readJsonObject } from "./exchange.ts";
import { errorBody } from "./failure.ts";
import { flag } from "./fields.ts";
import { queryBoolean } from "./query.ts";
import type { UpgradeContext } from "./service.ts";
import { withSessionLabel } from "./session-routes.ts";
import { inputOf, pumpInput, pumpOutput, type StreamTarget } from "./stream-pump.ts";
import { hangUp, upgradedHead } from "./upgrade.ts";

const RUN_PATH = "/ply/containers/run";
const RUN_EXISTING_PATH = /^\/ply\/containers\/([^/]+)\/run$/;

/** Serves {@link PlyRunMessage}'s routes; false: it is none of them. */
export async function runByUpgrade(
  context: UpgradeContext,
  { path, query }: { readonly path: string; readonly query: URLSearchParams },
): Promise<boolean> {
  if (context.request.method !== "POST") return false;
  const detachKeys = query.get("detachKeys");
  if (path === RUN_PATH) {
    const body = withSessionLabel(context, await readJsonObject(context));
    const { engine } = context.service;
    const create = () => createContainer(engine, body, query);
    const { session } = context;
    const { id, warnings } = await (session === undefined
      ? create()
      : engine.sessions.during(session, create));
    const streams = {
      stdin: flag(body, "AttachStdin"),
      stdout: flag(body, "AttachStdout"),
      stderr: flag(body, "AttachStderr"),
    };
    await run(context, { id, warnings, detachKeys, streams });
    return true;
  }
  const name = RUN_EXISTING_PATH.exec(path)?.[1];
  if (name === undefined) return false;
  const { id } = context.service.engine.containers.get(name);
  const streams = { stdin: queryBoolean(query, "stdin"), stdout: true, stderr: true };
  await run(context, { id, warnings: [], detachKeys, streams });
  return true;
}

interface Run {
  readonly id: string;
  readonly warnings: readonly string[];
  readonly detachKeys: string | null;
  readonly streams: StreamTarget["streams"];
}

/** Joins the client to a container's streams, starts it and waits for its end. */
async function run({ socket, head, service, closing }: UpgradeContext, run: Run): Promise<void> {
  const { id, detachKeys } = run;
  const { containers } = service.engine;
  const { name, process, host } = containers.get(id);
  const { tty, openStdin, stdinOnce } = process;
  const target: StreamTarget = {
    what: `run ${name}`,
    tty,
    closesStdin: stdinOnce && !tty,
    streams: { ...run.streams, stdin: openStdin && run.streams.stdin },
    detach: tty || detachKeys !== null ? detachScanner(parseDetachKeys(detachKeys)) : undefined,
  };
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  // Both before the start: no output and no exit is missed.
  const ending = endingOf(service.engine, id, {
    condition: host.autoRemove ? "removed" : "next-exit",
    signal,
  });
  await using attachment = await containers.attach(id, target.streams);
  const attached = encodeMessage({ type: "attached", id, tty, warnings: run.warnings });
  socket.write(Buffer.concat([Buffer.from(upgradedHead(MULTIPLEXED_STREAM)), attached]));
  const say = (message: PlyRunMessage) => socket.write(encodeMessage(message));
  let isDetached = false;
  const detached = pumpInput({
    target,
    attachment,
    input: inputOf(socket, head),
    signal,
    log: service.log,
  }).then(() => {
    isDetached = true;
  });
  const copied = pumpOutput({ target, attachment, sink: socket, signal, until: detached, isRaw: false });
  try {
    await startContainer(service.engine, id);
    if (tty) say({ type: "started" });
    await copied;
    say(isDetached ? { type: "ended", exitCode: null } : { type: "ended", ...(await ending) });
  } catch (error) {
    if (!isPlyError(error)) service.log(`error: run ${name}: ${errorBody(error).message}`);
    say({ type: "failed", error: errorBody(error) });
  }
  hangUp(socket);
}

function encodeMessage(message: PlyRunMessage): Uint8Array {
  return encodeFrame({ stream: "system", bytes: Buffer.from(`${JSON.stringify(message)}\n`) });
}
