import { type ContainerRecord, type Containers, isActive } from "../container/index.ts";
import type { Engine } from "../engine.ts";
import { isPlyError, messageOf, PlyError } from "../error.ts";
import type { CommitOptions } from "../image/index.ts";
import { isObject, withDefaultTag } from "../oci/index.ts";
import type { DockerCreateResponse, DockerWaitResponse } from "../wire/index.ts";
import { instructionsOf } from "./commit-config.ts";
import { CONTAINER_FILTERS, containerMatcher } from "./container-filter.ts";
import {
  type ContainerSizes,
  containerSizes,
  dockerChange,
  dockerContainerInspect,
  dockerContainerSummary,
} from "./container-view.ts";
import { parseCreateRequest } from "./create-request.ts";
import { type Exchange, param, readJson, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import type { Fields } from "./fields.ts";
import { parseFilters } from "./filters.ts";
import { referenceWithTag } from "./image-name.ts";
import { viewContainerNetworks } from "./network-view.ts";
import { queryBoolean, queryInteger, queryPlatform, queryRequired } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { claimImage, inSession, withSessionLabel } from "./session-routes.ts";

/** The first part of a container's life; what else Docker has comes with later versions (`later-routes.ts`). */
export const containerRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/containers/json", handler: list },
  { method: "POST", path: "/containers/create", handler: inSession(create) },
  { method: "GET", path: "/containers/{name:.*}/json", handler: inspect },
  { method: "POST", path: "/containers/{name}/start", handler: start },
  { method: "POST", path: "/containers/{name}/stop", handler: stop },
  { method: "POST", path: "/containers/{name}/kill", handler: kill },
  { method: "POST", path: "/containers/{name}/wait", handler: wait },
  { method: "POST", path: "/containers/{name}/resize", handler: resize },
  { method: "GET", path: "/containers/{name}/changes", handler: changes },
  { method: "DELETE", path: "/containers/{name}", handler: remove },
  { method: "POST", path: "/commit", handler: inSession(commit) },
];

type WaitCondition = Parameters<Containers["wait"]>[1];

async function list(exchange: Exchange, service: Service): Promise<void> {
  const { engine, clock } = service;
  const { query } = exchange;
  const filters = parseFilters(query, CONTAINER_FILTERS);
  const limit = queryInteger(query, "limit") ?? -1;
  // A status or exit code that is asked for is one that may be of a stopped container.
  const isAll =
    queryBoolean(query, "all") ||
    limit > 0 ||
    filters.has("status") ||
    filters.has("exited") ||
    filters.has("before") ||
    filters.has("since");
  const matches = containerMatcher(filters, engine);
  const found = engine.containers
    .list()
    .filter((container) => (isAll || isActive(container.status)) && matches(container))
    .sort((a, b) => b.createdAt - a.createdAt);
  const shown = limit > 0 ? found.slice(0, limit) : found;
  const sizes = queryBoolean(query, "size") ? await sizesOf(service, shown) : undefined;
  const nowMs = clock();
  const bodies = shown.map((container) => {
    const own = sizes?.get(container.id);
    return dockerContainerSummary(container, {
      nowMs,
      root: engine.info.root,
      network: viewContainerNetworks(container, engine.networks, exchange.apiMinor),
      ...(own === undefined ? {} : { sizes: own }),
    });
  });
  sendJson(exchange, 200, bodies);
}

/** Sizes by container id; one that goes away meanwhile has none. */
export async function sizesOf(
  { engine }: Service,
  containers: readonly ContainerRecord[],
): Promise<ReadonlyMap<string, ContainerSizes>> {
  const images = new Map((await engine.images.list()).map((image) => [image.record.id, image]));
  const sizes = new Map<string, ContainerSizes>();
  for (const { id, imageId } of containers)
    try {
      sizes.set(id, containerSizes(await engine.containers.sizeOf(id), images.get(imageId)));
    } catch (error) {
      if (!isPlyError(error, "not-found")) throw error;
    }
  return sizes;
}

async function create(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = withSessionLabel(exchange, await readJsonObject(exchange));
  const { id, warnings } = await createContainer(engine, body, exchange.query);
  const answer: DockerCreateResponse = { Id: id, Warnings: warnings };
  sendJson(exchange, 201, answer);
}

/** Creates what a DockerCreateRequest says; query: `name`, `platform`. */
export async function createContainer(
  engine: Engine,
  body: Fields,
  query: URLSearchParams,
): Promise<{ readonly id: string; readonly warnings: readonly string[] }> {
  const request = parseCreateRequest(body, query.get("name"));
  const platform = queryPlatform(query);
  // Clients pull the image when this says that it is not here.
  if (platform !== undefined) engine.images.resolve(request.options.image, { platform });
  const { id, warnings } = await engine.containers.create(request.options);
  return { id, warnings: [...warnings, ...request.warnings] };
}

async function inspect(exchange: Exchange, service: Service): Promise<void> {
  const { engine } = service;
  const container = engine.containers.get(param(exchange, "name"));
  const sizes = queryBoolean(exchange.query, "size")
    ? (await sizesOf(service, [container])).get(container.id)
    : undefined;
  const body = dockerContainerInspect(container, {
    driver: engine.info.storageDriver.name,
    runtime: engine.info.runtime.name,
    root: engine.info.root,
    network: viewContainerNetworks(container, engine.networks, exchange.apiMinor),
    execIds: engine.containers.execs.idsOf(container.id),
    ...(sizes === undefined ? {} : { sizes }),
  });
  sendJson(exchange, 200, body);
}

async function start(exchange: Exchange, { engine }: Service): Promise<void> {
  if (exchange.query.get("checkpoint"))
    throw new PlyError("unsupported", "ply keeps no checkpoints of processes");
  sendEmpty(exchange, (await startContainer(engine, param(exchange, "name"))) ? 204 : 304);
}

/** False: it ran already. Errors are as Docker's client expects those of a start. */
export async function startContainer({ containers }: Engine, name: string): Promise<boolean> {
  try {
    return await containers.start(name);
  } catch (error) {
    throw isPlyError(error) && typeof error.details["exitCode"] === "number" ? cannotRun(error) : error;
  }
}

/** Docker's client turns a 400 whose text names the reason into exit code 126 or 127. */
function cannotRun(error: PlyError): PlyError {
  const code = error.details["exitCode"];
  const known =
    code === 127 ? /executable file not found|no such file/i : /permission denied|is a directory/i;
  const reason = code === 127 ? "executable file not found in $PATH" : "permission denied";
  const words =
    known.test(error.message) || (code !== 126 && code !== 127)
      ? error.message
      : `${error.message}: ${reason}`;
  return new PlyError(error.kind, words, {
    cause: error,
    details: { ...error.details, httpStatus: 400 },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

async function stop(exchange: Exchange, { engine }: Service): Promise<void> {
  const timeoutSeconds = queryInteger(exchange.query, "t");
  const signal = exchange.query.get("signal");
  const stopped = await engine.containers.stop(param(exchange, "name"), {
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(signal ? { signal } : {}),
  });
  sendEmpty(exchange, stopped ? 204 : 304);
}

async function kill(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.containers.kill(param(exchange, "name"), exchange.query.get("signal") || "SIGKILL");
  sendEmpty(exchange, 204);
}

async function wait(exchange: Exchange, { engine }: Service): Promise<void> {
  const condition = exchange.query.get("condition") || "not-running";
  if (condition !== "not-running" && condition !== "next-exit" && condition !== "removed")
    throw new PlyError("invalid", `invalid condition: ${JSON.stringify(condition)}`);
  const { id } = engine.containers.get(param(exchange, "name"));
  const exited = endingOf(engine, id, { condition, signal: exchange.signal });
  // Clients start the container only once they know that somebody waits for its exit.
  exchange.response.writeHead(200, { "Content-Type": "application/json" });
  exchange.response.flushHeaders();
  const { exitCode, error } = await exited;
  const body: DockerWaitResponse = {
    StatusCode: exitCode,
    ...(error === undefined ? {} : { Error: { Message: error } }),
  };
  if (!exchange.signal.aborted) exchange.response.end(`${JSON.stringify(body)}\n`);
}

/** How a container ends, for those who wait. Never rejects: 125 and the reason when it cannot be waited for. */
export async function endingOf(
  { containers }: Engine,
  id: string,
  { condition, signal }: { readonly condition: WaitCondition; readonly signal: AbortSignal },
): Promise<{ readonly exitCode: number; readonly error?: string }> {
  try {
    const { exitCode, error = "" } = await containers.wait(id, condition, signal);
    // Of a removal only its own failure is news: why the container did not run, `start` has said already.
    return condition === "removed" || error === "" ? { exitCode } : { exitCode, error };
  } catch (error) {
    return { exitCode: 125, error: messageOf(error) };
  }
}

async function resize(exchange: Exchange, { engine }: Service): Promise<void> {
  const rows = queryInteger(exchange.query, "h") ?? 0;
  const columns = queryInteger(exchange.query, "w") ?? 0;
  const isSize = (size: number) => size >= 0 && size <= 65_535;
  if (!isSize(rows) || !isSize(columns))
    throw new PlyError("invalid", `invalid terminal size: ${columns}x${rows}`);
  await engine.containers.resize(param(exchange, "name"), { columns, rows });
  sendEmpty(exchange, 200);
}

async function changes(exchange: Exchange, { engine }: Service): Promise<void> {
  const found = await engine.containers.changes(param(exchange, "name"));
  sendJson(exchange, 200, found.map(dockerChange));
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  if (queryBoolean(exchange.query, "link"))
    throw new PlyError("unsupported", "removing a link is not supported: links are not");
  await engine.containers.remove(param(exchange, "name"), {
    force: queryBoolean(exchange.query, "force"),
    volumes: queryBoolean(exchange.query, "v"),
  });
  sendEmpty(exchange, 204);
}

async function commit(exchange: Exchange, { engine }: Service): Promise<void> {
  const { query } = exchange;
  const body = await readJson(exchange);
  const repo = query.get("repo");
  const author = query.get("author");
  const comment = query.get("comment");
  const lines = query.getAll("changes").flatMap((change) => change.split("\n"));
  const changes = [
    ...(isObject(body) ? instructionsOf(body) : []),
    ...lines.filter((line) => line.trim() !== ""),
  ];
  const reference = repo ? withDefaultTag(referenceWithTag(repo, query.get("tag"))) : undefined;
  const options: CommitOptions = {
    changes,
    ...(reference === undefined ? {} : { reference }),
    ...(author ? { author } : {}),
    ...(comment ? { comment } : {}),
  };
  const id = await engine.containers.commit(queryRequired(query, "container"), {
    ...options,
    // ply's own.
    ...(queryBoolean(query, "volumes") ? { volumes: true } : {}),
  });
  claimImage(exchange, engine, id);
  sendJson(exchange, 201, { Id: id });
}
