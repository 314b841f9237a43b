import { PlyError } from "../error.ts";
import { isObject, type Platform, parsePlatform } from "../oci/index.ts";

/** Docker's reading of a boolean parameter: everything but these is true. */
const FALSE = new Set(["", "0", "no", "false", "none"]);

export function queryBoolean(query: URLSearchParams, name: string, absent = false): boolean {
  const value = query.get(name);
  if (value === null) return absent;
  return !FALSE.has(value.trim().toLowerCase());
}

/** A whole number, or undefined when the parameter is absent or empty. Throws "invalid". */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  if (!/^-?\d{1,15}$/.test(value))
    throw new PlyError(
      "invalid",
      `invalid value for ${name}: ${JSON.stringify(value)} is not a whole number`,
    );
  return Number(value);
}

/** A parameter that must be there and not be empty. Throws "invalid". */
export function queryRequired(query: URLSearchParams, name: string): string {
  const value = query.get(name);
  if (value === null || value === "") throw new PlyError("invalid", `missing parameter: ${name}`);
  return value;
}

/** `linux/arm64/v8`, or (API 1.46 and newer) the JSON of an OCI platform. Undefined when absent. Throws "invalid". */
export function queryPlatform(query: URLSearchParams, name = "platform"): Platform | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  return decodePlatform(text);
}

/** One platform as {@link queryPlatform} takes it. */
export function decodePlatform(text: string): Platform {
  if (!text.startsWith("{")) return parsePlatform(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidPlatform(text, cause);
  }
  if (!isObject(value)) throw invalidPlatform(text);
  const { os, architecture, variant } = value;
  if (typeof os !== "string" || typeof architecture !== "string") throw invalidPlatform(text);
  return parsePlatform(
    [os, architecture, ...(typeof variant === "string" && variant ? [variant] : [])].join("/"),
  );
}

function invalidPlatform(text: string, cause?: unknown): PlyError {
  return new PlyError("invalid", `invalid platform ${JSON.stringify(text.slice(0, 200))}`, {
    hint: "write it as linux/amd64 or linux/arm64/v8",
    cause,
  });
}
