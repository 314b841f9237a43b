import type { BuildOptions, CachePlace } from "../build/index.ts";
import { PlyError } from "../error.ts";
import { parseReference, withDefaultTag } from "../oci/index.ts";
import type { PlyBuildRequest, PlyCachePlace } from "../wire/index.ts";

/** The caches that a build of ply's own client reads and writes. Throws "invalid". */
export function cachesOf({
  cacheFrom = [],
  cacheTo = [],
}: Pick<PlyBuildRequest, "cacheFrom" | "cacheTo">): Pick<
  BuildOptions,
  "cacheFrom" | "cacheTo" | "hasInlineCache"
> {
  return {
    cacheFrom: cacheFrom.map(placeOf),
    cacheTo: cacheTo.flatMap((target) =>
      target.kind === "inline"
        ? []
        : [
            {
              ...placeOf(target),
              mode: modeOf(target.mode),
              ...(target.compression === undefined ? {} : { compression: target.compression }),
              isCompressionForced: target.forceCompression === true,
              ignoreError: target.ignoreError === true,
            },
          ],
    ),
    hasInlineCache: cacheTo.some(({ kind }) => kind === "inline"),
  };
}

function modeOf(mode: unknown): "min" | "max" {
  if (mode === "min" || mode === "max") return mode;
  throw new PlyError("invalid", "the mode of a cache is min or max");
}

function placeOf(place: PlyCachePlace): CachePlace {
  if (place.kind === "registry")
    return { kind: "reference", reference: withDefaultTag(parseReference(place.ref)) };
  const { path, device, inode, tag } = place;
  return { kind: "directory", directory: path, device, inode, tag };
}

/**
 * The classic builder's `cachefrom`: names of images, of which those that are here are not asked for elsewhere. Its images
 * are caches by themselves, so those that are built through its API carry their records.
 */
export function classicCaches(names: readonly string[]): Pick<BuildOptions, "cacheFrom" | "hasInlineCache"> {
  return {
    cacheFrom: names.flatMap((name) => {
      try {
        return [{ kind: "reference", reference: withDefaultTag(parseReference(name)), isLocalEnough: true }];
      } catch {
        // Docker passes over what it cannot use.
        return [];
      }
    }),
    hasInlineCache: true,
  };
}
