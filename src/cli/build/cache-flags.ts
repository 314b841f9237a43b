import { mkdirSync } from "node:fs";
import { parseBoolean } from "../../boolean.ts";
import { cacheDirectory } from "../../build-request/index.ts";
import { messageOf } from "../../error.ts";
import { DEFAULT_TAG, parseReference } from "../../oci/index.ts";
import type { PlyBuildRequest, PlyCachePlace } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";

type CacheTarget = NonNullable<PlyBuildRequest["cacheTo"]>[number];

const TYPES = ["inline", "registry", "local"];
/** What BuildKit knows besides. */
const FOREIGN_TYPES = ["gha", "s3", "azblob"];

/** The fields of one `--cache-from` or `--cache-to`, each asked for once. */
interface Fields {
  readonly flag: string;
  readonly text: string;
  readonly type: string;
  take(name: string): string | undefined;
  /** Throws UsageError for what was not asked for. */
  end(): void;
}

/** `REF`, `type=registry,ref=REF`, `type=local,src=DIR[,tag=]`; inline caches are found where `registry` looks. Throws UsageError. */
export function cacheSources(texts: readonly string[]): PlyCachePlace[] {
  return texts.map((text) => {
    const fields = fieldsOf("--cache-from", text);
    const place = fields.type === "local" ? directoryPlace(fields, "src") : registryPlace(fields);
    fields.end();
    return place;
  });
}

/**
 * `type=inline`, `REF`, `type=registry,ref=REF`, `type=local,dest=DIR`, the latter two with `mode=min|max`,
 * `compression=gzip|zstd`, `force-compression=` and `ignore-error=`. Makes the directory. Throws UsageError.
 */
export function cacheTargets(texts: readonly string[]): CacheTarget[] {
  return texts.map((text) => {
    const fields = fieldsOf("--cache-to", text);
    if (fields.type === "inline") {
      choice(fields, "mode", ["min"]);
      fields.end();
      return { kind: "inline" };
    }
    const mode = choice(fields, "mode", ["min", "max"]) ?? "min";
    const compression = choice(fields, "compression", ["gzip", "zstd"]);
    const forceCompression = truth(fields, "force-compression");
    const ignoreError = truth(fields, "ignore-error");
    // What ply writes is that anyway.
    for (const name of ["image-manifest", "oci-mediatypes"])
      if (truth(fields, name) === false)
        throw invalid(fields, `${name}=false: caches are OCI image manifests, which every registry takes`);
    const place =
      fields.type === "local" ? directoryPlace(fields, "dest", makeDirectory) : registryPlace(fields);
    fields.end();
    return {
      ...place,
      mode,
      ...(compression === undefined ? {} : { compression }),
      ...(forceCompression === undefined ? {} : { forceCompression }),
      ...(ignoreError === undefined ? {} : { ignoreError }),
    };
  });
}

function fieldsOf(flag: string, text: string): Fields {
  const isName = !text.includes("=");
  const given = new Map<string, string>(isName ? [["ref", text]] : []);
  for (const field of isName ? [] : text.split(",")) {
    const equals = field.indexOf("=");
    if (equals < 1)
      throw new UsageError(
        `invalid argument ${JSON.stringify(text)} for "${flag}": expected fields key=value`,
      );
    given.set(field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1));
  }
  const type = given.get("type") ?? "registry";
  given.delete("type");
  const fields: Fields = {
    flag,
    text,
    type,
    take(name) {
      const value = given.get(name);
      given.delete(name);
      return value === "" ? undefined : value;
    },
    end() {
      const [name] = given.keys();
      if (name !== undefined) throw invalid(fields, `type=${type} has no field ${name}`);
    },
  };
  if (TYPES.includes(type) && !(flag === "--cache-from" && type === "inline")) return fields;
  const instead =
    type === "inline"
      ? "an inline cache is found under its image's name: type=registry,ref=IMAGE"
      : `${FOREIGN_TYPES.includes(type) ? `ply has no cache of type ${type}` : `unknown type ${type}`}: use ${flag === "--cache-to" ? "inline, " : ""}registry or local`;
  throw invalid(fields, instead);
}

function registryPlace(fields: Fields): Extract<PlyCachePlace, { readonly kind: "registry" }> {
  const ref = fields.take("ref");
  if (ref === undefined) throw invalid(fields, "type=registry needs ref=NAME");
  try {
    parseReference(ref);
  } catch (error) {
    throw invalid(fields, messageOf(error));
  }
  return { kind: "registry", ref };
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
}

function directoryPlace(
  fields: Fields,
  name: "src" | "dest",
  prepare: (path: string) => void = () => undefined,
): PlyCachePlace {
  const given = fields.take(name);
  if (given === undefined) throw invalid(fields, `type=local needs ${name}=DIRECTORY`);
  const tag = fields.take("tag") ?? DEFAULT_TAG;
  prepare(given);
  return cacheDirectory(given, tag);
}

function choice<const Value extends string>(
  fields: Fields,
  name: string,
  values: readonly Value[],
): Value | undefined {
  const given = fields.take(name);
  const found = values.find((value) => value === given);
  if (given !== undefined && found === undefined)
    throw invalid(fields, `${name}=${given} is not ${values.join(" or ")}`);
  return found;
}

function truth(fields: Fields, name: string): boolean | undefined {
  const given = fields.take(name);
  if (given === undefined) return undefined;
  const value = parseBoolean(given);
  if (value === undefined) throw invalid(fields, `${name}=${given} is not true or false`);
  return value;
}

function invalid({ flag, text }: Fields, why: string): UsageError {
  return new UsageError(`invalid argument ${JSON.stringify(text)} for "${flag}": ${why}`);
}
