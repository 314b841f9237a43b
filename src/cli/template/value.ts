/** How Go's templates see and print values; here they are what JSON can hold. */

/** What a template prints for something that is not there. */
const NO_VALUE = "<no value>";

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Go's truth: not false, zero, empty or nil. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (isObject(value)) return !isPlain(value) || Object.keys(value).length > 0;
  return Boolean(value);
}

/** Made by JSON and not by a listing. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A value as `%v` prints it: `[a b]`, `map[k:v]` with sorted keys. */
export function formatValue(value: unknown, nested = false): string {
  if (value === undefined || value === null) return nested ? "<nil>" : NO_VALUE;
  if (typeof value === "number") return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map((item) => formatValue(item, true)).join(" ")}]`;
  if (isObject(value) && isPlain(value))
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${formatValue(value[key], true)}`)
      .join(" ")}]`;
  return isObject(value) ? JSON.stringify(value) : String(value);
}

/** Whole numbers as they are, others as Go's shortest `%g`: exponents from 1e21 on. */
export function formatNumber(value: number): string {
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

/** The name of a value's type in error messages. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "nil";
  if (Array.isArray(value)) return "list";
  if (typeof value === "object") return "map";
  return typeof value === "boolean" ? "bool" : typeof value;
}
