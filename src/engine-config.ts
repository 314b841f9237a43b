import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuilderGc, parseBuilderGc } from "./engine-build-cache.ts";
import { codeOf, messageOf, PlyError } from "./error.ts";
import { isObject } from "./oci/index.ts";
import { parseRegistriesConfig, type RegistriesConfig } from "./registry/index.ts";

/** What `engine.json` says; `ply serve`'s flags come before it. */
export interface EngineConfig {
  /** See {@link EngineOptions.cgroupFavordynmods}. */
  readonly cgroupFavordynmods?: boolean;
  /** Of the build cache: `builder.gc`. */
  readonly builderGc?: BuilderGc;
}

/** Of engines that commands start by themselves, too: they get no flags. Throws "invalid", naming the field. */
export async function readEngineConfig(configDir: string): Promise<EngineConfig> {
  return (await readConfig(join(configDir, "engine.json"), parseEngineConfig)) ?? {};
}

export async function readRegistriesConfig(configDir: string): Promise<RegistriesConfig> {
  return (await readConfig(join(configDir, "registries.json"), parseRegistriesConfig)) ?? { rules: [] };
}

export function parseEngineConfig(text: string): EngineConfig {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new PlyError("invalid", `not JSON: ${messageOf(cause)}`, { cause });
  }
  if (!isObject(document)) throw new PlyError("invalid", "want an object");
  const { cgroupFavordynmods, builder, $schema: _schema, ...unknown } = document;
  const [field] = Object.keys(unknown);
  if (field !== undefined) throw new PlyError("invalid", `${field}: there is no such field`);
  if (cgroupFavordynmods !== undefined && typeof cgroupFavordynmods !== "boolean")
    throw new PlyError("invalid", "cgroupFavordynmods: want true or false");
  return {
    ...(cgroupFavordynmods === undefined ? {} : { cgroupFavordynmods }),
    ...(builder === undefined ? {} : { builderGc: builderGcOf(builder) }),
  };
}

function builderGcOf(builder: unknown): BuilderGc {
  if (!isObject(builder)) throw new PlyError("invalid", "builder: want an object");
  const { gc = {}, ...unknown } = builder;
  const [field] = Object.keys(unknown);
  if (field !== undefined) throw new PlyError("invalid", `builder.${field}: there is no such field`);
  return parseBuilderGc(gc);
}

/** Undefined where there is no such file. */
async function readConfig<T>(path: string, parse: (text: string) => T): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw new PlyError("denied", `cannot read ${path}`, { cause });
  }
  try {
    return parse(text);
  } catch (cause) {
    if (cause instanceof PlyError)
      throw new PlyError(cause.kind, `${path}: ${cause.message}`, {
        cause,
        ...(cause.hint ? { hint: cause.hint } : {}),
      });
    throw cause;
  }
}
