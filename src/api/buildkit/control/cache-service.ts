import type { CacheEntry } from "../../../build/index.ts";
import { PlyError } from "../../../error.ts";
import type { Given } from "../../../grpc/index.ts";
import { searchPattern } from "../../search-pattern.ts";
import type { usageRecord } from "./control-messages.ts";
import type { ControlParts } from "./parts.ts";
import { timeOf } from "./vertexes.ts";

/** What builds keep, for `docker buildx du` and `docker buildx prune`. */

export interface PruneWish {
  readonly filter: readonly string[];
  readonly all: boolean;
  /** Nanoseconds. */
  readonly keepDuration: number;
  readonly reservedSpace: number;
  readonly maxUsedSpace: number;
  readonly minFreeSpace: number;
}

export async function usageRecords(
  { engine }: ControlParts,
  filters: readonly string[],
): Promise<Given<typeof usageRecord>[]> {
  const entries = await engine.builder.cache.entries({});
  return entries.filter(selection(filters)).map(recordOf);
}

/** Removes, and tells what went. */
export async function* pruneRecords(
  { engine, clock }: ControlParts,
  wish: PruneWish,
): AsyncGenerator<Given<typeof usageRecord>, void> {
  const entries = await engine.builder.cache.entries({});
  const chosen = entries.filter(selection(wish.filter)).map(({ id }) => id);
  const { reservedSpace, maxUsedSpace, minFreeSpace } = wish;
  const limits = Object.entries({ reservedSpace, maxUsedSpace, minFreeSpace }).filter(
    ([, bytes]) => bytes > 0,
  );
  const { ids } = await engine.builder.cache.prune({
    all: wish.all,
    selection: {
      id: new RegExp(`^(?:${chosen.map(escaped).join("|") || "(?!)"})$`),
      ...(wish.keepDuration > 0 ? { unusedSince: clock() - wish.keepDuration / 1e6 } : {}),
    },
    limits: Object.fromEntries(limits),
  });
  const gone = new Set(ids);
  for (const entry of entries) if (gone.has(entry.id)) yield recordOf(entry);
}

function escaped(id: string): string {
  return id.replace(/[^\w-]/g, "\\$&");
}

function recordOf(entry: CacheEntry): Given<typeof usageRecord> {
  return {
    id: entry.id,
    mutable: entry.type === "exec.cachemount",
    inUse: entry.isInUse,
    size: entry.size,
    createdAt: timeOf(entry.createdAt),
    lastUsedAt: timeOf(entry.lastUsedAt),
    usageCount: entry.useCount,
    description: entry.description,
    recordType: entry.type,
    shared: entry.isShared,
    parents: entry.parents,
  };
}

/** What filters may ask about; undefined: it has none, or it is not so. */
const FIELDS: Readonly<Record<string, (entry: CacheEntry) => string | undefined>> = {
  id: ({ id }) => id,
  parent: ({ parents }) => parents[0],
  description: ({ description }) => description,
  type: ({ type }) => type,
  inuse: ({ isInUse }) => presence(isInUse),
  mutable: ({ type }) => presence(type === "exec.cachemount"),
  immutable: ({ type }) => presence(type !== "exec.cachemount"),
  shared: ({ isShared }) => presence(isShared),
  private: ({ isShared }) => presence(!isShared),
};

function presence(is: boolean): "true" | undefined {
  return is ? "true" : undefined;
}

/** Filters as containerd writes them: `NAME`, `NAME==VALUE`, `NAME!=VALUE`, `NAME~=PATTERN`; commas are "and", lists "or". */
function selection(filters: readonly string[]): (entry: CacheEntry) => boolean {
  const groups = filters.filter((text) => text !== "").map((filter) => filter.split(",").map(conditionOf));
  return (entry) => groups.length === 0 || groups.some((all) => all.every((holds) => holds(entry)));
}

function conditionOf(text: string): (entry: CacheEntry) => boolean {
  const [, name = "", operator, quoted = ""] = /^(\w+)(?:(==|!=|~=|=)(.*))?$/s.exec(text) ?? [];
  const read = FIELDS[name];
  if (read === undefined) throw new PlyError("invalid", `invalid filter ${JSON.stringify(text)}`);
  const written = /^"(.*)"$/s.exec(quoted)?.[1] ?? quoted;
  const value = written === "false" ? undefined : written;
  switch (operator) {
    case undefined:
      return (entry) => read(entry) !== undefined;
    case "!=":
      return (entry) => read(entry) !== value;
    case "~=": {
      const pattern = patternOf(written);
      return (entry) => pattern.test(read(entry) ?? "");
    }
    default:
      return (entry) => read(entry) === value;
  }
}

function patternOf(text: string): RegExp {
  const pattern = searchPattern(text);
  if (pattern === undefined)
    throw new PlyError("invalid", `invalid pattern ${JSON.stringify(text)} of a filter`);
  return pattern;
}
