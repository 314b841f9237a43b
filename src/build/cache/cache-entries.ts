import { sizeOfTree } from "../../linux/index.ts";
import type { Layers } from "../../store/index.ts";
import type { Repositories } from "../context/repositories.ts";
import type { CacheMounts } from "../run/cache-mounts.ts";
import type { CachedStep, SharedCache } from "./cache.ts";

/** Something that builds keep, in BuildKit's terms: what a step made, the directory of a `RUN --mount=type=cache`, the copy of a git repository. */
export interface CacheEntry {
  readonly id: string;
  readonly type: "regular" | "exec.cachemount" | "source.git.checkout";
  /** The instruction, or which repository. */
  readonly description: string;
  readonly parents: readonly string[];
  /** A build that runs has it. */
  readonly isInUse: boolean;
  /** Something else needs its bytes too, an image: they stay when it goes. */
  readonly isShared: boolean;
  /** Bytes on disk. */
  readonly size: number;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly useCount: number;
}

export interface EntriesParts {
  readonly cache: SharedCache;
  readonly layers: Pick<Layers, "get">;
  readonly cacheMounts: Pick<CacheMounts, "list" | "usageOf">;
  readonly repositories: Pick<Repositories, "list" | "sizeOf">;
}

/** Lists what builds keep; what layers take on disk is looked at once for each. */
export function createEntries({
  cache,
  layers,
  cacheMounts,
  repositories,
}: EntriesParts): () => Promise<CacheEntry[]> {
  let sizes = new Map<string, number>();
  return async () => {
    const steps = cache.list().sort((a, b) => b.lastUsedAt - a.lastUsedAt);
    const beside: Set<string> = cache.layersBeside();
    const measured = new Map<string, number>();
    const entries: CacheEntry[] = [];
    for (const step of steps) {
      const { diffId } = step;
      let isShared = false;
      let size = 0;
      const layer = diffId === null ? undefined : layers.get(diffId);
      if (layer !== undefined) {
        const { diffId, dir } = layer;
        // Of steps that made the same the last used one is what it costs.
        isShared = beside.has(diffId) || measured.has(diffId);
        size = sizes.get(diffId) ?? (await sizeOfTree(dir));
        measured.set(diffId, size);
      }
      entries.push({ ...entryOf(step), isInUse: cache.isInUse(step.key), isShared, size });
    }
    sizes = measured;
    for (const { key, step, isInUse, createdAt, lastUsedAt, useCount } of cacheMounts.list())
      entries.push({
        id: key,
        type: "exec.cachemount",
        description: step,
        parents: [],
        isInUse,
        isShared: false,
        size: (await cacheMounts.usageOf(key)).bytes,
        createdAt,
        lastUsedAt,
        useCount,
      });
    for (const { repository, ...copy } of repositories.list())
      entries.push({
        ...copy,
        type: "source.git.checkout",
        description: `git repository ${repository}`,
        parents: [],
        isShared: false,
        size: await repositories.sizeOf(copy.id),
      });
    return entries;
  };
}

function entryOf({ key, text, parent, createdAt, lastUsedAt, useCount }: CachedStep) {
  return {
    id: key,
    type: "regular",
    description: text,
    parents: parent === undefined ? [] : [parent],
    createdAt,
    lastUsedAt,
    useCount,
  } as const;
}
