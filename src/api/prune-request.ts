import { PlyError } from "../error.ts";
import type { ImageFilter, PruneOptions } from "../image/index.ts";
import { asObject, asStrings, type JsonObject } from "../oci/index.ts";

/** The body of `POST /ply/images/prune`. Throws "invalid" naming the field. */
export function parsePruneRequest(body: JsonObject): PruneOptions {
  const unusedForMs = count(body, "unusedForMs");
  const keep = count(body, "keep");
  const maxSize = count(body, "maxSize");
  return {
    filter: filterOf(body["filter"]),
    all: flag(body, "all") ?? false,
    dryRun: flag(body, "dryRun") ?? false,
    ...(unusedForMs === undefined ? {} : { unusedForMs }),
    ...(keep === undefined ? {} : { keep }),
    ...(maxSize === undefined ? {} : { maxSize }),
  };
}

function filterOf(value: unknown): ImageFilter {
  if (value === undefined || value === null) return {};
  const filter = asObject(value, "filter");
  const dangling = flag(filter, "dangling");
  const before = text(filter, "before");
  const since = text(filter, "since");
  const lists = (["labels", "notLabels", "references"] as const).flatMap((name) =>
    filter[name] === undefined ? [] : [[name, asStrings(filter[name], `filter.${name}`, 1000)] as const],
  );
  const until =
    filter["until"] === undefined ? undefined : untilOf(asObject(filter["until"], "filter.until"));
  return {
    ...Object.fromEntries(lists),
    ...(dangling === undefined ? {} : { dangling }),
    ...(before === undefined ? {} : { before }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
}

function untilOf(until: JsonObject): NonNullable<ImageFilter["until"]> {
  const at = count(until, "at");
  const { clock } = until;
  if (at === undefined) throw new PlyError("invalid", "invalid JSON: filter.until has no time (at)");
  if (clock !== "built" && clock !== "arrived" && clock !== "used")
    throw new PlyError("invalid", "invalid JSON: filter.until.clock is not built, arrived or used");
  return { at, clock };
}

function count(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new PlyError("invalid", `invalid JSON: ${name} is not a whole number from 0 up`);
  return value;
}

function flag(body: JsonObject, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw new PlyError("invalid", `invalid JSON: ${name} is not true or false`);
  return value;
}

function text(body: JsonObject, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw new PlyError("invalid", `invalid JSON: ${name} is not a string`);
  return value;
}
