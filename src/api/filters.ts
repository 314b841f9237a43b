import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";

/** Values by filter name, in the order given. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Reads the `filters` parameter, JSON in either form: `{"label":["a=b"]}` (API 1.22 and newer) or
 * `{"label":{"a=b":true}}`. Throws "invalid" in Docker's words: for bad JSON, and for a name not in `known`.
 */
export function parseFilters(query: URLSearchParams, known: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  const text = query.get("filters");
  if (text === null || text === "") return filters;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", "invalid filter: the filters parameter is not JSON", { cause });
  }
  if (!isObject(value))
    throw new PlyError("invalid", "invalid filter: the filters parameter is not an object");
  for (const [name, given] of Object.entries(value)) {
    if (!known.includes(name)) throw new PlyError("invalid", `invalid filter '${name}'`);
    filters.set(name, valuesOf(name, given));
  }
  return filters;
}

function valuesOf(name: string, given: unknown): string[] {
  if (Array.isArray(given) && given.every((value) => typeof value === "string")) return given;
  if (isObject(given)) return Object.entries(given).flatMap(([value, on]) => (on === true ? [value] : []));
  throw new PlyError("invalid", `invalid filter: the values of '${name}' are neither a list nor a map`);
}

export function filterValues(filters: Filters, name: string): readonly string[] {
  return filters.get(name) ?? [];
}

/** The last value of a filter that takes one. */
export function filterValue(filters: Filters, name: string): string | undefined {
  return filters.get(name)?.at(-1);
}

/** A filter that is true or false; undefined when absent. Throws "invalid" in Docker's words. */
export function filterBoolean(filters: Filters, name: string): boolean | undefined {
  const values = filters.get(name);
  if (values === undefined || values.length === 0) return undefined;
  const claims = new Set(values.map((value) => booleanOf(name, value)));
  if (claims.size > 1) throw invalidValue(name, values.join(", "));
  return claims.has(true);
}

function booleanOf(name: string, value: string): boolean {
  if (value === "1" || value.toLowerCase() === "true") return true;
  if (value === "0" || value.toLowerCase() === "false") return false;
  throw invalidValue(name, value);
}

export function invalidValue(name: string, value: string): PlyError {
  return new PlyError("invalid", `invalid filter '${name}=${value}'`);
}

/** True when labels have every wanted `key` or `key=value`. */
export function hasLabels(labels: Readonly<Record<string, string>>, wanted: readonly string[]): boolean {
  return wanted.every((want) => {
    const equals = want.indexOf("=");
    if (equals < 0) return Object.hasOwn(labels, want);
    const key = want.slice(0, equals);
    return Object.hasOwn(labels, key) && labels[key] === want.slice(equals + 1);
  });
}
