import { sizeOfTree } from "../../linux/index.ts";
import type { Layers } from "../../store/index.ts";
import type { CacheMounts } from "../run/cache-mounts.ts";
import type { CachedStep, SharedCache } from "./cache.ts";

/** Something that builds keep, in BuildKit's terms: what a step made, or the directory of a `RUN --mount=type=cache`. */
export interface CacheEntry {
  readonly id: string;
  readonly type: "regular" | "exec.cachemount";
  /** The instruction. */
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
}

/** Lists what builds keep; what layers take on disk is looked at once for each. */
export function createEntries({ cache, layers, cacheMounts }: EntriesParts): () => Promise<CacheEntry[]> {
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
      if (diffId !== null) {
        // Of steps that made the same the last used one is what it costs.
        isShared = beside.has(diffId) || measured.has(diffId);
        size = sizes.get(diffId) ?? (await sizeOfTree(layers.get(diffId)?.dir ?? ""));
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
