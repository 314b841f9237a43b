import { mkdirSync } from "node:fs";
import { type BuildRequestFields, cacheDirectory } from "../../build-request/index.ts";
import { DEFAULT_TAG } from "../../oci/index.ts";
import type { PlyCachePlace, PlyCacheTarget } from "../../wire/index.ts";
import { BUILD_FIELDS, type BuildCachePlace, type BuildCacheTarget, type BuildOptions } from "./options.ts";
import { outputOf } from "./outputs.ts";

/** Those fields that were given. */
export function pick<Options extends object, const Name extends keyof Options>(
  options: Options,
  names: readonly Name[],
): Pick<Options, Name> {
  const given = names.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]])) as Pick<Options, Name>;
}

/** The request's fields; makes the directories that caches go to. */
export function requestOf(options: BuildOptions): BuildRequestFields {
  const { tags = [], secrets = {}, cacheFrom = [], cacheTo = [], outputs } = options;
  const encoded = Object.entries(secrets).map(
    ([id, value]) => [id, Buffer.from(value).toString("base64")] as const,
  );
  return {
    ...pick(options, BUILD_FIELDS),
    names: tags,
    secrets: Object.fromEntries(encoded),
    cacheFrom: cacheFrom.map(placeOf),
    cacheTo: cacheTo.map(targetOf),
    ...(outputs === undefined ? {} : { outputs: outputs.map((output) => outputOf(output, options)) }),
  };
}

function placeOf(place: BuildCachePlace): PlyCachePlace {
  return "ref" in place
    ? { kind: "registry", ref: place.ref }
    : cacheDirectory(place.directory, place.tag ?? DEFAULT_TAG);
}

function targetOf(target: BuildCacheTarget): PlyCacheTarget {
  if (target === "inline") return { kind: "inline" };
  if ("directory" in target) mkdirSync(target.directory, { recursive: true });
  const { mode = "min", compression, forceCompression, ignoreError } = target;
  return {
    ...placeOf(target),
    mode,
    ...(compression === undefined ? {} : { compression }),
    ...(forceCompression === undefined ? {} : { forceCompression }),
    ...(ignoreError === undefined ? {} : { ignoreError }),
  };
}
