import { parseBoolean } from "../../../boolean.ts";
import { PlyError } from "../../../error.ts";
import type { PlyCachePlace, PlyCacheTarget } from "../../../wire/index.ts";
import type { Typed } from "./order.ts";

/** `--cache-from` of a client. What a service keeps that is not reachable from here is passed over, as BuildKit does. */
export function cacheSourceOf(cache: Typed): PlyCachePlace[] {
  return cache.type === "inline" ? [] : [placeOf(cache)];
}

/** `--cache-to`. Throws "unsupported" for other types, "invalid" for values that mean nothing. */
export function cacheTargetOf(cache: Typed): PlyCacheTarget {
  const { type, attributes } = cache;
  if (type === "inline") return { kind: "inline" };
  const place = placeOf(cache);
  const mode = attributes.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") throw new PlyError("invalid", `invalid cache mode: ${mode}`);
  const compression = attributes.get("compression");
  if (compression !== undefined && compression !== "gzip" && compression !== "zstd")
    throw new PlyError("unsupported", `caches are compressed with gzip or zstd, not with ${compression}`);
  return {
    ...place,
    mode,
    ...(compression === undefined ? {} : { compression }),
    forceCompression: parseBoolean(attributes.get("force-compression") ?? "") === true,
    ignoreError: parseBoolean(attributes.get("ignore-error") ?? "") === true,
  };
}

function placeOf({ type, attributes }: Typed): PlyCachePlace {
  if (type !== "registry")
    throw new PlyError("unsupported", `ply has no cache of type ${type} for clients of BuildKit`, {
      hint:
        type === "local"
          ? "use type=registry or type=inline; ply build knows type=local"
          : "use type=registry or type=inline",
    });
  const ref = attributes.get("ref") ?? "";
  if (ref === "") throw new PlyError("invalid", "a cache of type registry needs ref=NAME");
  return { kind: "registry", ref };
}
