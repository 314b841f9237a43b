import { PlyError } from "../error.ts";
import type { Healthcheck, HistoryEntry, ImageConfig, ProcessConfig } from "./config.ts";
import type { DiffId } from "./digest.ts";
import {
  asArray,
  asObject,
  asSize,
  asString,
  asStringMap,
  asStrings,
  isAbsent,
  isObject,
  type JsonObject,
  parseJsonObject,
  wrongType,
} from "./json.ts";
import { MAX_CONFIG_BYTES, MAX_LAYERS } from "./limits.ts";
import { readDigest } from "./parse-manifest.ts";

/** Steps without a layer count too, so there may be more of them than layers. */
const MAX_HISTORY = 100_000;

/**
 * Reads an image config of OCI or Docker. What Docker takes, this takes: null lists, `Cmd` as one string, a
 * history that does not add up to the layers, an absent OS ("linux") or architecture (""). Unknown fields
 * stay. Throws invalid (naming the field), limit.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseJsonObject(bytes, "image config", MAX_CONFIG_BYTES);
  const { created, author, variant, config, history, "os.features": features, ...rest } = document;
  const optionalText = (name: string, value: unknown): JsonObject =>
    isAbsent(value) ? {} : { [name]: asString(value, `config.${name}`) };
  if (rest["os.version"] !== undefined) asString(rest["os.version"], "config.os.version");
  return {
    ...rest,
    ...optionalText("created", created),
    ...optionalText("author", author),
    ...optionalText("variant", variant),
    os: isAbsent(rest["os"]) || rest["os"] === "" ? "linux" : asString(rest["os"], "config.os"),
    architecture: isAbsent(rest["architecture"]) ? "" : asString(rest["architecture"], "config.architecture"),
    ...(isAbsent(features) ? {} : { "os.features": asStrings(features, "config.os.features", 1000) }),
    ...(isAbsent(config) ? {} : { config: readProcess(config, "config.config") }),
    rootfs: readRootfs(document["rootfs"]),
    ...(isAbsent(history)
      ? {}
      : { history: asArray(history, "config.history", MAX_HISTORY).map(readHistory) }),
  };
}

function readRootfs(value: unknown): ImageConfig["rootfs"] {
  if (isAbsent(value))
    throw new PlyError("invalid", "the image config has no rootfs: it is not an image's config");
  const rootfs = asObject(value, "config.rootfs");
  if (rootfs["type"] !== "layers") throw wrongType("config.rootfs.type", '"layers"', rootfs["type"]);
  const diffIds = asArray(rootfs["diff_ids"], "config.rootfs.diff_ids", MAX_LAYERS);
  return {
    ...rootfs,
    type: "layers",
    diff_ids: diffIds.map((id, i) => readDigest(id, `config.rootfs.diff_ids[${i}]`) as DiffId),
  };
}

function readHistory(value: unknown, i: number): HistoryEntry {
  const at = `config.history[${i}]`;
  const entry = asObject(value, at);
  for (const field of ["created", "created_by", "author", "comment"])
    if (!isAbsent(entry[field])) asString(entry[field], `${at}.${field}`);
  if (!isAbsent(entry["empty_layer"]) && typeof entry["empty_layer"] !== "boolean")
    throw wrongType(`${at}.empty_layer`, "true or false", entry["empty_layer"]);
  return withoutNulls(entry);
}

/** Readers of the fields that are not plain text; each gets a value that is neither absent nor null. */
const PROCESS_FIELDS: Readonly<Record<string, (value: unknown, at: string) => unknown>> = {
  User: asString,
  WorkingDir: asString,
  StopSignal: asString,
  Env: asStrings,
  Cmd: asCommand,
  Entrypoint: asCommand,
  Shell: asCommand,
  OnBuild: asStrings,
  ExposedPorts: asSet,
  Volumes: asSet,
  Labels: asStringMap,
  StopTimeout: asSize,
  ArgsEscaped: asBoolean,
  Healthcheck: readHealthcheck,
};

/** Fields whose null says something else than absence, or that Docker writes as null. */
const NULLABLE = new Set(["Cmd", "Entrypoint", "Volumes", "Labels", "OnBuild"]);

/** Validates the `config` object of an image; `at` names its place in errors. */
function readProcess(value: unknown, at: string): ProcessConfig {
  const given = asObject(value, at);
  const read: Record<string, unknown> = { ...given };
  for (const [field, reader] of Object.entries(PROCESS_FIELDS)) {
    const item = given[field];
    if (!isAbsent(item)) read[field] = reader(item, `${at}.${field}`);
    else if (!NULLABLE.has(field)) delete read[field];
  }
  return read;
}

function readHealthcheck(value: unknown, at: string): Healthcheck {
  const given = asObject(value, at);
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"])
    if (!isAbsent(given[field]) && !Number.isFinite(given[field]))
      throw wrongType(`${at}.${field}`, "a number", given[field]);
  if (!isAbsent(given["Test"])) asStrings(given["Test"], `${at}.Test`);
  return withoutNulls(given);
}

/** Docker reads a lone string as a command of one word. */
function asCommand(value: unknown, at: string): readonly string[] {
  return typeof value === "string" ? [value] : asStrings(value, at);
}

/** `{"80/tcp": {}}`: only the keys mean something. */
function asSet(value: unknown, at: string): Readonly<Record<string, Record<string, never>>> {
  return Object.fromEntries(Object.keys(asObject(value, at)).map((key) => [key, {}]));
}

function asBoolean(value: unknown, at: string): boolean {
  if (typeof value !== "boolean") throw wrongType(at, "true or false", value);
  return value;
}

function withoutNulls<T extends JsonObject>(object: T): T {
  return Object.values(object).some((value) => value === null) && isObject(object)
    ? (Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null)) as T)
    : object;
}
