import { UsageError } from "../failure.ts";
import { parseTime, toEpochSeconds } from "../output/index.ts";

export const FILTER_FLAG = {
  kind: "list",
  short: "f",
  value: "NAME=VALUE",
  help: "Show only what fits",
} as const;

/** Filters by name, as the API's `filters` parameter holds them. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** Reads `--filter name=value` words. Points in time are told as seconds since 1970, so that the engine need not know our forms. */
export function parseFilters(words: readonly string[], nowMs: number): Filters {
  const filters: Record<string, string[]> = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    if (equals <= 0)
      throw new UsageError(
        `invalid argument ${JSON.stringify(word)} for "-f, --filter" flag: bad format of filter (expected name=value)`,
      );
    const name = word.slice(0, equals).trim().toLowerCase();
    const value = word.slice(equals + 1).trim();
    const isTime = name === "until" || name.endsWith("-until") || name === "unused-for";
    const told = isTime ? toEpochSeconds(parseTime(value, nowMs)) : value;
    filters[name] = [...(filters[name] ?? []), told];
  }
  return filters;
}

/** The query parameter; undefined when there are none. */
export function filtersParameter(filters: Filters): string | undefined {
  return Object.keys(filters).length === 0 ? undefined : JSON.stringify(filters);
}
