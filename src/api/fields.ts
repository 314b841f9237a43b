import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";

/** Reading JSON of clients: absent and null are the empty value, a wrong type throws "invalid" with the field's name. */

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(parent: Fields, name: string): Fields {
  const value = parent[name];
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrongType(name, "an object");
  return value;
}

export function text(parent: Fields, name: string): string {
  const value = parent[name];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw wrongType(name, "a string");
  return value;
}

export function flag(parent: Fields, name: string): boolean {
  const value = parent[name];
  if (value === undefined || value === null) return false;
  if (typeof value !== "boolean") throw wrongType(name, "true or false");
  return value;
}

/** A whole number; 0 when it is not there. */
export function integer(parent: Fields, name: string): number {
  const value = parent[name];
  if (value === undefined || value === null) return 0;
  // Durations in nanoseconds lie beyond what is safe after 104 days: as near as a double comes is near enough.
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(name, "a whole number");
  return value;
}

export function texts(parent: Fields, name: string): readonly string[] | undefined {
  const value = parent[name];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
    throw wrongType(name, "a list of strings");
  return value;
}

export function objects(parent: Fields, name: string): readonly Fields[] {
  const value = parent[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongType(name, "a list");
  return value.map((item) => {
    if (!isObject(item)) throw wrongType(name, "a list of objects");
    return item;
  });
}

/** A list of strings, or one string that stands for a list of one. */
export function words(parent: Fields, name: string): readonly string[] {
  const value = parent[name];
  return typeof value === "string" ? [value] : (texts(parent, name) ?? []);
}

export function stringMap(parent: Fields, name: string): Readonly<Record<string, string>> {
  const map: Record<string, string> = {};
  for (const [key, value] of Object.entries(fieldsOf(parent, name))) {
    if (typeof value !== "string") throw wrongType(`${name}.${key}`, "a string");
    map[key] = value;
  }
  return map;
}

export function wrongType(name: string, wanted: string): PlyError {
  return new PlyError("invalid", `invalid JSON: ${name} is not ${wanted}`);
}
