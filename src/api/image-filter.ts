import type { ImageFilter } from "../image/index.ts";
import { type Filters, filterBoolean, filterValue, filterValues } from "./filters.ts";
import { parseTimestampMs } from "./timestamp.ts";

export const LIST_FILTERS = ["dangling", "label", "label!", "before", "since", "reference", "until"];
export const PRUNE_FILTERS = ["dangling", "label", "label!", "until"];
/** ply's own: `until` names the day an image was built, as with Docker; these name the others. */
export const CLOCK_FILTERS = ["built-until", "arrived-until", "used-until"];

/** Docker's image filters as the engine's. Throws "invalid" for a value that cannot be. */
export function imageFilter(filters: Filters, nowMs: number): ImageFilter {
  const dangling = filterBoolean(filters, "dangling");
  const before = filterValue(filters, "before");
  const since = filterValue(filters, "since");
  const until = untilOf(filters, nowMs);
  const labels = filterValues(filters, "label");
  const notLabels = filterValues(filters, "label!");
  const references = filterValues(filters, "reference");
  return {
    ...(dangling === undefined ? {} : { dangling }),
    ...(labels.length === 0 ? {} : { labels }),
    ...(notLabels.length === 0 ? {} : { notLabels }),
    ...(references.length === 0 ? {} : { references }),
    ...(before === undefined ? {} : { before }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

const CLOCK_OF = [
  ["until", "built"],
  ["built-until", "built"],
  ["arrived-until", "arrived"],
  ["used-until", "used"],
] as const;

function untilOf(filters: Filters, nowMs: number): ImageFilter["until"] {
  for (const [name, clock] of CLOCK_OF) {
    const value = filterValue(filters, name);
    if (value !== undefined) return { at: parseTimestampMs(value, nowMs), clock };
  }
  return undefined;
}
