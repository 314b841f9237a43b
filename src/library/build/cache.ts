import type { DockerBuildCache, DockerBuildPrune, PlyCacheMount, PlyCacheRemoved } from "../../wire/index.ts";
import type { Bytes, EngineHttp } from "../http.ts";

/** `until` (`24h`, a time), `id`, …: as `ply builder prune` and `ply cache prune` have them. */
export type CacheFilters = Readonly<Record<string, readonly string[]>>;

export interface PruneBuildCacheOptions {
  readonly filters?: CacheFilters;
  /** Also what images have. */
  readonly all?: boolean;
  /** Bytes: so much of what was used last is kept. */
  readonly reservedSpace?: number;
  /** Bytes: remove until it takes no more. */
  readonly maxUsedSpace?: number;
  /** Bytes: remove until the disk has so much left. */
  readonly minFreeSpace?: number;
}

export interface BuildCache {
  list(options?: { readonly filters?: CacheFilters }): Promise<readonly DockerBuildCache[]>;
  /** What a build has just now stays. */
  prune(
    options?: PruneBuildCacheOptions,
  ): Promise<{ readonly removed: readonly string[]; readonly bytes: number }>;
  readonly mounts: CacheMounts;
}

/**
 * The directories of `RUN --mount=type=cache`. An id means all caches that have it, a key one of them; "not-found" for a name
 * that none has.
 */
export interface CacheMounts {
  /** Without names all of them. */
  list(names?: readonly string[]): Promise<readonly PlyCacheMount[]>;
  /** A tar, for `import` on another engine; without names all of them. */
  export(
    names?: readonly string[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<AsyncIterable<Uint8Array>>;
  /** Takes a tar in, plain or compressed. */
  import(archive: Bytes, options?: ImportCacheOptions): Promise<readonly PlyCacheMount[]>;
  /** Throws "conflict" for one that a build has. */
  remove(names: readonly string[]): Promise<PlyCacheRemoved["removed"]>;
  prune(options?: { readonly filters?: CacheFilters }): Promise<PlyCacheRemoved["removed"]>;
}

export interface ImportCacheOptions {
  /** Take it in as this cache; needed for an archive that `export` did not make. */
  readonly id?: string;
  /** Keep what a cache has and the archive lacks; else it is replaced. */
  readonly merge?: boolean;
  readonly signal?: AbortSignal;
}

export function createBuildCache(http: EngineHttp): BuildCache {
  return {
    list: ({ filters } = {}) =>
      http.json("GET", "/ply/build/cache", { query: { filters: parameterOf(filters) } }),
    async prune({ filters, all, reservedSpace, maxUsedSpace, minFreeSpace } = {}) {
      const pruned = await http.json<DockerBuildPrune>("POST", "/build/prune", {
        query: {
          all,
          filters: parameterOf(filters),
          "reserved-space": reservedSpace,
          "max-used-space": maxUsedSpace,
          "min-free-space": minFreeSpace,
        },
      });
      return { removed: pruned.CachesDeleted ?? [], bytes: pruned.SpaceReclaimed };
    },
    mounts: {
      list: (name) => http.json("GET", "/ply/cache", { query: { name } }),
      export: (name, { signal } = {}) =>
        http.bytes("GET", "/ply/cache/export", { query: { name, all: name === undefined }, signal }),
      import: (body, { id, merge, signal } = {}) =>
        http.json("POST", "/ply/cache/import", { query: { id, merge }, body, signal }),
      remove: async (name) =>
        (await http.json<PlyCacheRemoved>("DELETE", "/ply/cache", { query: { name } })).removed,
      prune: async ({ filters } = {}) =>
        (
          await http.json<PlyCacheRemoved>("POST", "/ply/cache/prune", {
            query: { filters: parameterOf(filters) },
          })
        ).removed,
    },
  };
}

function parameterOf(filters: CacheFilters | undefined): string | undefined {
  return filters === undefined ? undefined : JSON.stringify(filters);
}
