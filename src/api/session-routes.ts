import { join } from "node:path";
import type { Engine } from "../engine.ts";
import type { PlySession } from "../wire/index.ts";
import { SESSION_LABEL } from "../wire/index.ts";
import { type Exchange, param, sendEmpty, sendJson } from "./exchange.ts";
import type { Fields } from "./fields.ts";
import { listen } from "./listen.ts";
import type { ApiRoute, Handler, Service } from "./service.ts";

/** Sessions: what is created through one vanishes with its connection (`wire/ply-session.ts`). */
export const sessionRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/ply/sessions", handler: open },
  { method: "GET", path: "/ply/sessions", handler: list },
  { method: "DELETE", path: "/ply/sessions/{id}", handler: end },
];

/** A client on another machine that lost its network is noticed after some of these. */
const KEEP_ALIVE_MS = 10_000;

async function open(exchange: Exchange, service: Service): Promise<void> {
  const { engine, doors, log } = service;
  const { request, response, signal } = exchange;
  const session = engine.sessions.open();
  try {
    const path = join(engine.info.runRoot, "sessions", `${session.id.slice(0, 8)}.sock`);
    await using _door = await listen(doors, { kind: "unix", path }, { session: session.id });
    request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const body: PlySession = { ...session, socket: path };
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    response.write(`${JSON.stringify(body)}\n`);
    const ended = engine.sessions.ended(session.id);
    await Promise.race([ended, aborted(signal)]);
  } finally {
    log(`session ${session.id} ends`);
    await engine.sessions.end(session.id);
    response.end();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function list(exchange: Exchange, { engine }: Service): void {
  sendJson(exchange, 200, engine.sessions.list());
}

async function end(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.sessions.end(param(exchange, "id"));
  sendEmpty(exchange, 204);
}

/** A route that creates something, which belongs to the session it came by. The names of images are claimed before. */
export function inSession(handler: Handler): Handler {
  return async (exchange, service) => {
    const { session, query } = exchange;
    if (session === undefined) return handler(exchange, service);
    const { sessions } = service.engine;
    await sessions.during(session, () => {
      sessions.claimNames(session, imageNames(query));
      return handler(exchange, service);
    });
  };
}

/** Images that a request is about to make: `t` of builds, `repo` and `tag` of commits, imports and tags. */
function imageNames(query: URLSearchParams): string[] {
  const repository = query.get("repo") ?? "";
  const tag = query.get("tag") ?? "";
  const named = repository === "" ? [] : [tag === "" ? repository : `${repository}:${tag}`];
  return [...query.getAll("t").filter((name) => name !== ""), ...named];
}

/** Before images are made whose names are not in the query. */
export function claimNames(
  exchange: Pick<Exchange, "session">,
  engine: Engine,
  names: readonly string[],
): void {
  if (exchange.session !== undefined) engine.sessions.claimNames(exchange.session, names);
}

/** After an image was made: it goes with the session, if no name keeps it. */
export function claimImage(exchange: Pick<Exchange, "session">, engine: Engine, id: string): void {
  if (exchange.session !== undefined) engine.sessions.claimImage(exchange.session, id);
}

/** A create body with the session's label among its own. */
export function withSessionLabel({ session }: Pick<Exchange, "session">, body: Fields): Fields {
  if (session === undefined) return body;
  const own = body["Labels"];
  const labels = typeof own === "object" && own !== null ? own : {};
  return { ...body, Labels: { ...labels, [SESSION_LABEL]: session } };
}
