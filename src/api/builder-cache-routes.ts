import type { CacheEntry, CacheLimits, CacheSelection } from "../build/index.ts";
import { PlyError } from "../error.ts";
import type { DockerBuildCache, DockerBuildPrune } from "../wire/index.ts";
import { type Exchange, sendJson } from "./exchange.ts";
import { type Filters, filterBoolean, filterValues, invalidValue, parseFilters } from "./filters.ts";
import { queryBoolean, queryInteger } from "./query.ts";
import { searchPattern } from "./search-pattern.ts";
import type { ApiRoute, Service } from "./service.ts";
import { formatTime, parseTimestampMs } from "./timestamp.ts";

export const builderCacheRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/build/prune", handler: prune },
  { method: "GET", path: "/ply/build/cache", handler: list },
];

const FILTERS = [
  // `docker system prune` hands on what it was given.
  "label",
  "label!",
  "until",
  "unused-for",
  "id",
  "parent",
  "type",
  "description",
  "inuse",
  "shared",
  "private",
];

const NOTHING = /(?!)/;

async function prune(exchange: Exchange, service: Service): Promise<void> {
  const { query } = exchange;
  const { ids, bytesReclaimed } = await service.engine.builder.cache.prune({
    all: queryBoolean(query, "all"),
    selection: selectionOf(exchange, service),
    limits: limitsOf(query),
  });
  const body: DockerBuildPrune = {
    CachesDeleted: ids.length === 0 ? null : ids,
    SpaceReclaimed: bytesReclaimed,
  };
  sendJson(exchange, 200, body);
}

async function list(exchange: Exchange, service: Service): Promise<void> {
  const entries = await service.engine.builder.cache.entries(selectionOf(exchange, service));
  sendJson(exchange, 200, entries.map(dockerBuildCache));
}

/** `keep-storage` is what `reserved-space` was called before API 1.48. */
function limitsOf(query: URLSearchParams): CacheLimits {
  const bytes = {
    reservedSpace: queryInteger(query, "reserved-space") ?? queryInteger(query, "keep-storage"),
    maxUsedSpace: queryInteger(query, "max-used-space"),
    minFreeSpace: queryInteger(query, "min-free-space"),
  };
  return Object.fromEntries(Object.entries(bytes).filter(([, value]) => value !== undefined && value > 0));
}

function selectionOf({ query }: Exchange, { clock }: Service): CacheSelection {
  const filters = parseFilters(query, FILTERS);
  const given = {
    unusedSince: unusedSinceOf(filters, clock()),
    // Nothing here has labels.
    id: filters.has("label") ? NOTHING : idPattern(single(filters, "id")),
    parent: single(filters, "parent"),
    type: single(filters, "type"),
    description: single(filters, "description"),
    isInUse: filterBoolean(filters, "inuse"),
    isShared: sharedOf(filters),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function single(filters: Filters, name: string): string | undefined {
  const values = filterValues(filters, name);
  if (values.length > 1) throw new PlyError("invalid", `filter expects only one value for '${name}'`);
  return values[0];
}

function unusedSinceOf(filters: Filters, nowMs: number): number | undefined {
  const until = single(filters, "until");
  const unusedFor = single(filters, "unused-for");
  if (until !== undefined && unusedFor !== undefined)
    throw new PlyError("invalid", 'conflicting filters: "until" and "unused-for"');
  const text = until ?? unusedFor;
  return text === undefined ? undefined : parseTimestampMs(text, nowMs);
}

function idPattern(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  const pattern = searchPattern(text);
  if (pattern === undefined) throw invalidValue("id", text);
  return pattern;
}

/** `private` is the opposite of `shared`. */
function sharedOf(filters: Filters): boolean | undefined {
  const isPrivate = filterBoolean(filters, "private");
  return filterBoolean(filters, "shared") ?? (isPrivate === undefined ? undefined : !isPrivate);
}

/** As `GET /system/df` has it. */
export function dockerBuildCache(entry: CacheEntry): DockerBuildCache {
  return {
    ID: entry.id,
    ...(entry.parents.length === 0 ? {} : { Parents: entry.parents }),
    Type: entry.type,
    Description: entry.description,
    InUse: entry.isInUse,
    Shared: entry.isShared,
    Size: entry.size,
    CreatedAt: formatTime(entry.createdAt),
    LastUsedAt: formatTime(entry.lastUsedAt),
    UsageCount: entry.useCount,
  };
}
