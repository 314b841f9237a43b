import { messageOf, PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import type { RegistryOptions, RegistryRule } from "./client.ts";
import { parseLocation } from "./endpoint.ts";

const MAX_RULES = 10_000;

/** A day: more is a mistake of the unit. */
const MAX_STALL_SECONDS = 86_400;
const MAX_RETRIES = 1000;

const DOCUMENT_FIELDS: ReadonlySet<string> = new Set([
  "registries",
  "insecure",
  "blocked",
  "retries",
  "stallTimeoutSeconds",
  "$schema",
]);
const FIELDS: ReadonlySet<string> = new Set(["prefix", "location", "mirrors", "blocked", "insecure"]);

/** What `registries.json` says; what it leaves out has its default in `RegistryOptions`. */
export type RegistriesConfig = Readonly<Required<Pick<RegistryOptions, "rules">>> &
  Pick<RegistryOptions, "retries" | "stallTimeoutMs">;

/**
 * Parses `registries.json`, which says where registries really are:
 *
 *     {
 *       "registries": [
 *         { "prefix": "docker.io", "mirrors": ["http://127.0.0.1:5001", "mirror.example.com/hub"] },
 *         { "prefix": "quay.io/team", "location": "harbor.example.com/team" },
 *         { "prefix": "*.lab.example.com", "insecure": true },
 *         { "prefix": "docker.io/untrusted", "blocked": true }
 *       ],
 *       "stallTimeoutSeconds": 30,
 *       "retries": 5
 *     }
 *
 * Each entry is a {@link RegistryRule}; the longest `prefix` that covers a name wins. `mirrors` are tried in
 * order before the registry itself, for pulls. A mirror or location with `http://` allows plain HTTP for
 * itself; without a scheme it is HTTPS (loopback: HTTPS, then HTTP). `insecure` allows any certificate and
 * plain HTTP. Lists of plain strings under `insecure` and `blocked` beside `registries` are short for rules.
 * A connection that brings no byte for `stallTimeoutSeconds` counts as broken; what breaks is tried again
 * `retries` times without progress. Throws "invalid", naming the field.
 */
export function parseRegistriesConfig(text: string): RegistriesConfig {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", `registries.json is not JSON: ${messageOf(cause)}`, { cause });
  }
  if (!isObject(document)) throw wrong("registries.json", "an object with a list of registries");
  for (const field of Object.keys(document))
    if (!DOCUMENT_FIELDS.has(field)) throw wrong(field, "absent: there is no such field");
  const rules = [
    ...listOf(document["registries"], "registries").map(readRule),
    ...readPrefixes(document["insecure"], "insecure").map((prefix) => ({ prefix, insecure: true })),
    ...readPrefixes(document["blocked"], "blocked").map((prefix) => ({ prefix, blocked: true })),
  ];
  checkRules(rules);
  const { retries, stallTimeoutSeconds } = document;
  return {
    rules,
    ...(retries === undefined ? {} : { retries: retriesAt(retries) }),
    ...(stallTimeoutSeconds === undefined ? {} : { stallTimeoutMs: 1000 * secondsAt(stallTimeoutSeconds) }),
  };
}

/** Throws "invalid" for rules that cannot work: bad prefixes or locations, the same prefix twice. */
export function checkRules(rules: readonly RegistryRule[]): void {
  const seen = new Set<string>();
  rules.forEach((rule, i) => {
    const at = `registries[${i}]`;
    checkPrefix(rule.prefix, `${at}.prefix`);
    if (seen.has(rule.prefix))
      throw new PlyError("invalid", `${at}.prefix: there are two rules for ${JSON.stringify(rule.prefix)}`);
    seen.add(rule.prefix);
    if (rule.location !== undefined) checkLocation(rule.location, `${at}.location`);
    rule.mirrors?.forEach((mirror, j) => {
      checkLocation(mirror, `${at}.mirrors[${j}]`);
    });
  });
}

function readRule(value: unknown, i: number): RegistryRule {
  const at = `registries[${i}]`;
  if (!isObject(value)) throw wrong(at, "an object");
  for (const field of Object.keys(value))
    if (!FIELDS.has(field))
      throw new PlyError("invalid", `registries.json: ${at} has no field ${JSON.stringify(field)}`, {
        hint: `the fields are ${[...FIELDS].join(", ")}`,
      });
  const { prefix, location, mirrors, blocked, insecure } = value;
  return {
    prefix: stringAt(prefix, `${at}.prefix`),
    ...(location === undefined ? {} : { location: stringAt(location, `${at}.location`) }),
    ...(mirrors === undefined
      ? {}
      : { mirrors: listOf(mirrors, `${at}.mirrors`).map((m, j) => stringAt(m, `${at}.mirrors[${j}]`)) }),
    ...(blocked === undefined ? {} : { blocked: booleanAt(blocked, `${at}.blocked`) }),
    ...(insecure === undefined ? {} : { insecure: booleanAt(insecure, `${at}.insecure`) }),
  };
}

function readPrefixes(value: unknown, at: string): string[] {
  return listOf(value, at).map((item, i) => stringAt(item, `${at}[${i}]`));
}

function checkPrefix(prefix: string, at: string): void {
  const [first = "", ...rest] = prefix.split("/");
  const host = first.startsWith("*.") ? first.slice(2) : first;
  const isWhole = !first.startsWith("*.") || rest.length === 0;
  try {
    if (!isWhole || prefix.includes("://") || prefix.endsWith("/")) throw wrong(at, "a name");
    parseLocation([host, ...rest].join("/"));
  } catch (cause) {
    throw new PlyError(
      "invalid",
      `registries.json: ${at}: ${JSON.stringify(prefix.slice(0, 200))} is no prefix`,
      {
        cause,
        hint: "a prefix looks like docker.io, docker.io/library or *.example.com",
      },
    );
  }
}

function checkLocation(text: string, at: string): void {
  try {
    parseLocation(text);
  } catch (cause) {
    throw new PlyError("invalid", `registries.json: ${at}: ${messageOf(cause)}`, { cause });
  }
}

function listOf(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_RULES) throw wrong(at, "a list");
  return value;
}

function stringAt(value: unknown, at: string): string {
  if (typeof value !== "string" || value === "") throw wrong(at, "a string");
  return value;
}

function booleanAt(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw wrong(at, "true or false");
  return value;
}

function retriesAt(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_RETRIES)
    return value;
  throw wrong("retries", `a whole number from 0 to ${MAX_RETRIES}`);
}

function secondsAt(value: unknown): number {
  if (typeof value === "number" && value > 0 && value <= MAX_STALL_SECONDS) return value;
  throw wrong("stallTimeoutSeconds", `a number of seconds above 0, at most ${MAX_STALL_SECONDS}`);
}

function wrong(at: string, wanted: string): PlyError {
  return new PlyError("invalid", `registries.json: ${at} must be ${wanted}`);
}
