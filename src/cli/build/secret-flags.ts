import { readFileSync, statSync } from "node:fs";
import { csvFields } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { reasonOf } from "../../host-file.ts";
import { UsageError } from "../failure.ts";

/** As BuildKit has it: secrets are no place for data. */
const MAX_BYTES = 500 * 1024;
const KEYS: Readonly<Record<string, "id" | "type" | "source" | "env">> = {
  id: "id",
  type: "type",
  src: "source",
  source: "source",
  env: "env",
};

/**
 * `--secret id=ID[,type=file|env][,src=FILE][,env=NAME]` as id and value (base64); without a source the variable or file of the
 * id's name. Throws UsageError, "not-found", "limit".
 */
export function readSecret(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly [id: string, value: string] {
  const wrong = (why: string) =>
    new UsageError(`invalid argument ${JSON.stringify(text)} for "--secret" flag: ${why}`);
  const given: Partial<Record<"id" | "type" | "source" | "env", string>> = {};
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw wrong(`invalid field '${field}' must be a key=value pair`);
    const written = field.slice(0, equals).toLowerCase();
    const key = Object.hasOwn(KEYS, written) ? KEYS[written] : undefined;
    if (key === undefined) throw wrong(`unexpected key '${written}' in '${field}'`);
    given[key] = field.slice(equals + 1);
  }
  const { id = "", type = "", source } = given;
  if (id === "") throw wrong("it has no id");
  if (!["", "file", "env"].includes(type)) throw wrong(`unsupported secret type ${JSON.stringify(type)}`);
  const isBare = source === undefined && given.env === undefined;
  // `type=env,src=NAME` means what `env=NAME` means.
  const variable = given.env ?? (type === "env" ? (source ?? id) : isBare && type === "" ? id : undefined);
  const value = variable === undefined ? undefined : env[variable];
  if (value !== undefined) return [id, encoded(id, Buffer.from(value))];
  if (variable !== undefined && !(isBare && type === ""))
    throw new PlyError("not-found", `--secret ${id}: the variable ${variable} is not set`);
  return [id, encoded(id, readSecretFile(id, source ?? id, isBare))];
}

function readSecretFile(id: string, file: string, isBare: boolean): Buffer {
  try {
    if (statSync(file).size > MAX_BYTES) throw tooBig(id);
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof PlyError) throw cause;
    const where = isBare
      ? `there is neither a file ${file} nor a variable ${id}`
      : `cannot read ${file}: ${reasonOf(cause)}`;
    throw new PlyError("not-found", `--secret ${id}: ${where}`, { cause });
  }
}

function encoded(id: string, value: Buffer): string {
  if (value.length > MAX_BYTES) throw tooBig(id);
  return value.toString("base64");
}

function tooBig(id: string): PlyError {
  return new PlyError("limit", `--secret ${id}: it is too big; max size 500KB`);
}
