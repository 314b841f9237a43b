import { PlyError } from "../error.ts";
import { type PlySession, SESSION_HEADER } from "../wire/index.ts";
import { createClient, type EngineClient } from "./client.ts";
import { createHttp, type EngineLocation } from "./http.ts";

export interface ConnectOptions {
  /** `unix:///run/ply/ply.sock`, `tcp://127.0.0.1:2375`. Absent: PLY_HOST, DOCKER_HOST, the usual socket. */
  readonly host?: string;
}

/**
 * A session on an engine that runs: what is made through its client, or by other tools through its socket, vanishes
 * when it closes, and as well when this program or the engine is killed.
 */
export interface EngineSession extends AsyncDisposable {
  readonly id: string;
  readonly client: EngineClient;
  /** A socket of the session's own, on the engine's machine. */
  readonly socketPath: string;
  readonly host: string;
  /** What makes other tools use the session. */
  readonly env: Readonly<Record<string, string>>;
  /** Returns once everything is gone. */
  close(): Promise<void>;
}

const DEFAULT_HOST = "unix:///run/ply/ply.sock";

/** Opens a session. Throws "unavailable" when no engine answers, "invalid" for an address that is none. */
export async function connectEngine(options: ConnectOptions = {}): Promise<EngineSession> {
  const given = options.host ?? process.env["PLY_HOST"] ?? process.env["DOCKER_HOST"] ?? DEFAULT_HOST;
  const location = locationOf(given);
  const outside = createHttp(location);
  const ending = new AbortController();
  const lines = await outside.lines<PlySession>("POST", "/ply/sessions", { signal: ending.signal });
  const answer = lines[Symbol.asyncIterator]();
  const first = await answer.next();
  if (first.done === true) throw new PlyError("unavailable", "the engine has gone");
  const { id, socket } = first.value;
  // The answer stays open for as long as the session lasts, and keeps no program from ending.
  const rest = answer.next().catch(() => undefined);
  const http = createHttp(location, { [SESSION_HEADER]: id });
  const close = async (): Promise<void> => {
    await outside.json("DELETE", `/ply/sessions/${id}`);
    ending.abort();
    await rest;
    http.close();
    outside.close();
  };
  return {
    id,
    client: createClient(http),
    socketPath: socket,
    host: `unix://${socket}`,
    env: { DOCKER_HOST: `unix://${socket}`, TESTCONTAINERS_RYUK_DISABLED: "true" },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function locationOf(host: string): EngineLocation {
  if (host.startsWith("unix:///")) return { socketPath: host.slice("unix://".length) };
  const tcp = /^(?:tcp|http):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(host);
  if (tcp === null)
    throw new PlyError("invalid", `invalid engine address ${JSON.stringify(host)}`, {
      hint: "write it as unix:///run/ply/ply.sock or tcp://127.0.0.1:2375",
    });
  return { host: (tcp[1] ?? "").replace(/^\[|\]$/g, ""), port: Number(tcp[2]) };
}
