import type { CacheMount } from "../build/index.ts";
import { exportCaches, importCaches } from "../build/index.ts";
import { decompress } from "../compress/index.ts";
import { isPlyError, PlyError } from "../error.ts";
import type { PlyCacheMount, PlyCacheRemoved } from "../wire/index.ts";
import { bodyStream, type Exchange, sendJson, sendStream } from "./exchange.ts";
import { filterValue, filterValues, parseFilters } from "./filters.ts";
import { queryBoolean } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { formatTime, parseTimestampMs } from "./timestamp.ts";

/** The directories of `RUN --mount=type=cache`: `wire/ply-cache.ts`. */
export const cacheRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/ply/cache", handler: list },
  { method: "DELETE", path: "/ply/cache", handler: remove },
  { method: "GET", path: "/ply/cache/export", handler: send },
  { method: "POST", path: "/ply/cache/import", handler: receive },
  { method: "POST", path: "/ply/cache/prune", handler: prune },
];

/** As few characters of a key as may name it. */
const MIN_PREFIX = 4;

async function list(exchange: Exchange, { engine }: Service): Promise<void> {
  const names = exchange.query.getAll("name");
  const { cacheMounts } = engine.builder;
  const found = names.length === 0 ? cacheMounts.list() : named(cacheMounts.list(), names);
  sendJson(exchange, 200, await Promise.all(found.map((each) => view(engine, each))));
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  const { cacheMounts } = engine.builder;
  const removed: PlyCacheRemoved["removed"][number][] = [];
  for (const mount of named(cacheMounts.list(), exchange.query.getAll("name")))
    removed.push(await takeAway(engine, mount));
  const body: PlyCacheRemoved = { removed };
  sendJson(exchange, 200, body);
}

/** Those that no step has; with `until` or `unused-for`, only if none had them since. */
async function prune(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const { cacheMounts } = engine.builder;
  const filters = parseFilters(exchange.query, ["until", "unused-for", "id"]);
  const until = filterValue(filters, "until") ?? filterValue(filters, "unused-for");
  const before = until === undefined ? Number.POSITIVE_INFINITY : parseTimestampMs(until, clock());
  const ids = filterValues(filters, "id");
  const removed: PlyCacheRemoved["removed"][number][] = [];
  for (const mount of cacheMounts.list()) {
    if (mount.lastUsedAt >= before || (ids.length > 0 && !ids.includes(mount.id))) continue;
    try {
      removed.push(await takeAway(engine, mount));
    } catch (error) {
      // A step has it, or somebody else has removed it.
      if (!isPlyError(error, "conflict") && !isPlyError(error, "not-found")) throw error;
    }
  }
  const body: PlyCacheRemoved = { removed };
  sendJson(exchange, 200, body);
}

async function takeAway(
  { builder: { cacheMounts } }: Service["engine"],
  { id, key }: CacheMount,
): Promise<PlyCacheRemoved["removed"][number]> {
  const size = (await cacheMounts.usageOf(key)).bytes;
  await cacheMounts.remove(key);
  return { id, key, size };
}

async function send(exchange: Exchange, { engine }: Service): Promise<void> {
  const { cacheMounts } = engine.builder;
  const all = cacheMounts.list();
  const wanted = queryBoolean(exchange.query, "all") ? all : named(all, exchange.query.getAll("name"));
  const keys = wanted.map(({ key }) => key);
  const archive = exportCaches(cacheMounts, keys, exchange.signal);
  await sendStream(exchange, "application/x-tar", archive, { isAhead: true });
}

async function receive(exchange: Exchange, { engine }: Service): Promise<void> {
  const { cacheMounts } = engine.builder;
  const { query, signal } = exchange;
  const id = query.get("id") || undefined;
  const keys = await importCaches(cacheMounts, decompress(bodyStream(exchange)), {
    ...(id === undefined ? {} : { id }),
    merge: queryBoolean(query, "merge"),
    signal,
  });
  const taken = cacheMounts.list().filter(({ key }) => keys.includes(key));
  sendJson(exchange, 200, await Promise.all(taken.map((each) => view(engine, each))));
}

/** Those with one of these ids, keys or beginnings of keys. Throws "not-found". */
function named<Mount extends Pick<CacheMount, "id" | "key">>(
  all: readonly Mount[],
  names: readonly string[],
): Mount[] {
  const found = names.flatMap((name) => {
    const byId = all.filter(({ id, key }) => id === name || key === name);
    const those =
      byId.length === 0 && name.length >= MIN_PREFIX ? all.filter(({ key }) => key.startsWith(name)) : byId;
    if (those.length === 0)
      throw new PlyError("not-found", `no such cache: ${name}`, { hint: "ply cache ls shows them" });
    return those;
  });
  return [...new Set(found)];
}

async function view(
  { builder }: Service["engine"],
  mount: CacheMount & { readonly isInUse: boolean },
): Promise<PlyCacheMount> {
  const { createdAt, lastUsedAt, isInUse, ...told } = mount;
  const { bytes, files } = await builder.cacheMounts.usageOf(mount.key);
  return {
    ...told,
    created: formatTime(createdAt),
    lastUsed: formatTime(lastUsedAt),
    inUse: isInUse,
    size: bytes,
    files,
  };
}
