import { messageOf, PlyError } from "../error.ts";

/** A JSON object from outside: every field must be checked before use. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Decodes bounded UTF-8 JSON whose top is an object. `what` names the document in errors: `manifest`. */
export function parseJsonObject(bytes: Uint8Array, what: string, maxBytes: number): JsonObject {
  if (bytes.byteLength > maxBytes)
    throw new PlyError(
      "limit",
      `the ${what} is ${bytes.byteLength} bytes long; at most ${maxBytes} are accepted`,
    );
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new PlyError("invalid", `the ${what} is not JSON: ${messageOf(cause).slice(0, 200)}`, { cause });
  }
  return asObject(value, what);
}

/** A document as it is stored, archived and pushed. */
export function encodeJson(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Left out, or null, which writers in Go put for it. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** `at` names the place in errors: `manifest.layers[3]`. */
export function asObject(value: unknown, at: string): JsonObject {
  if (!isObject(value)) throw wrongType(at, "an object", value);
  return value;
}

/** `at` names the place in errors, here and below. Throws "invalid". */
export function asString(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongType(at, "a string", value);
  return value;
}

/** Go writes an empty list as null: both, and an absent one, are []. */
export function asArray(value: unknown, at: string, maxLength: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrongType(at, "a list", value);
  if (value.length > maxLength)
    throw new PlyError("limit", `${at} has ${value.length} entries; at most ${maxLength} are accepted`);
  return value;
}

export function asStrings(value: unknown, at: string, maxLength = 100_000): readonly string[] {
  return asArray(value, at, maxLength).map((item, i) => asString(item, `${at}[${i}]`));
}

export function asStringMap(value: unknown, at: string): Readonly<Record<string, string>> {
  const object = asObject(value, at);
  for (const [key, item] of Object.entries(object)) asString(item, `${at}[${JSON.stringify(key)}]`);
  return object as Readonly<Record<string, string>>;
}

/** A count of bytes: a non-negative integer that a number holds exactly. */
export function asSize(value: unknown, at: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw wrongType(at, "a size (a non-negative integer)", value);
  return value;
}

export function wrongType(at: string, wanted: string, value: unknown): PlyError {
  const shown = value === undefined ? "missing" : `${JSON.stringify(value)?.slice(0, 80)}`;
  return new PlyError("invalid", `${at} must be ${wanted}: it is ${shown}`);
}
