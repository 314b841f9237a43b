import { statfs } from "node:fs/promises";
import { isPlyError, messageOf } from "../../error.ts";
import type { EventBus } from "../../event/index.ts";
import type { Store } from "../../store/index.ts";
import type { Repositories } from "../context/repositories.ts";
import type { CacheMounts } from "../run/cache-mounts.ts";
import type { SharedCache } from "./cache.ts";
import {
  type CacheLimits,
  type CacheSelection,
  chooseEntries,
  isSelected,
  privateSize,
} from "./cache-choice.ts";
import { type CacheEntry, createEntries } from "./cache-entries.ts";

/** What of the cache goes by itself after builds. */
export interface CachePolicy {
  /** What was not used for so long goes, down to what is reserved. */
  readonly keepMs: number;
  readonly limits: CacheLimits;
}

export interface PruneCacheOptions {
  readonly selection: CacheSelection;
  /** Also what images have. */
  readonly all: boolean;
  readonly limits: CacheLimits;
}

export interface PrunedCache {
  readonly ids: readonly string[];
  readonly bytesReclaimed: number;
}

/** What builds keep: shown, removed when asked, and kept within bounds. */
export interface CacheKeeper extends AsyncDisposable {
  entries(selection?: CacheSelection): Promise<CacheEntry[]>;
  /** Nothing that a build has goes. */
  prune(options: PruneCacheOptions): Promise<PrunedCache>;
  /** Begins to keep to the policy; nobody waits. */
  keepToPolicy(): void;
}

export interface KeeperParts {
  readonly store: Pick<Store, "layers" | "collectGarbage" | "root">;
  readonly cache: SharedCache;
  readonly cacheMounts: CacheMounts;
  readonly repositories: Repositories;
  /** What is known of earlier builds. */
  readonly memory: {
    /** Forgets what is beyond its bounds, first of what is cached no more. */
    trim(isCached: (key: string) => boolean): Promise<void>;
    /** Resolves when all is written. */
    idle(): Promise<void>;
  };
  readonly events: Pick<EventBus, "emit">;
  /** Undefined: nothing goes by itself. */
  readonly policy: CachePolicy | undefined;
  readonly clock: () => number;
  readonly log: (message: string) => void;
}

export function openCacheKeeper(parts: KeeperParts): CacheKeeper {
  const { store, cache, cacheMounts, repositories, memory, policy, clock, log } = parts;
  const list = createEntries({ cache, layers: store.layers, cacheMounts, repositories });
  const freeSpace = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(store.root);
    return bavail * bsize;
  };

  /** Those that are directories; false: a build has it, or somebody else has removed it. */
  const directories = {
    "exec.cachemount": (id: string) => removeMount(cacheMounts, id),
    "source.git.checkout": (id: string) => repositories.remove(id),
  };
  const remove = async (chosen: readonly CacheEntry[]): Promise<PrunedCache> => {
    const ids: string[] = [];
    let bytes = 0;
    for (const { id, type, size } of chosen)
      if (type !== "regular") {
        if (!(await directories[type](id))) continue;
        bytes += size;
        ids.push(id);
      } else if (!cache.isInUse(id)) {
        cache.remove(id);
        ids.push(id);
      }
    const { bytesFreed } = await store.collectGarbage();
    const bytesReclaimed = bytes + bytesFreed;
    parts.events.emit({
      type: "builder",
      action: "prune",
      actor: { id: "", attributes: { reclaimed: String(bytesReclaimed) } },
    });
    return { ids, bytesReclaimed };
  };

  const keep = async ({ keepMs, limits }: CachePolicy): Promise<void> => {
    const unusedSince = clock() - keepMs;
    const entries = await list();
    const space = await freeSpace();
    const old = entries.filter((entry) => !entry.isInUse && isSelected(entry, { unusedSince }));
    const { reservedSpace = 0 } = limits;
    const costly = chooseEntries(entries, {
      selection: { unusedSince },
      all: true,
      limits: reservedSpace > 0 ? { reservedSpace } : {},
      freeSpace: space,
    });
    const outdated = new Set([...costly, ...old.filter(({ isShared, size }) => isShared || size === 0)]);
    const rest = entries.filter((entry) => !outdated.has(entry));
    const beyond = chooseEntries(rest, {
      selection: {},
      all: false,
      limits,
      freeSpace: space + privateSize([...outdated]),
    });
    const doomed = [...outdated, ...beyond];
    if (doomed.length > 0) {
      const { ids, bytesReclaimed } = await remove(doomed);
      log(
        `build cache: ${ids.length} of ${entries.length} records removed, ${bytesReclaimed} bytes reclaimed, to keep within its limits`,
      );
    }
    await memory.trim((key) => cache.has(key));
    cache.forgetHistory(unusedSince);
  };

  /** Of the pass that was begun last; passes go one after the other. */
  let pass = Promise.resolve();
  let waiting = false;
  let seen = -1;
  return {
    entries: async (selection = {}) => (await list()).filter((entry) => isSelected(entry, selection)),
    async prune({ selection, all, limits }) {
      const chosen = chooseEntries(await list(), { selection, all, limits, freeSpace: await freeSpace() });
      const isWhole = all && Object.keys(selection).length === 0 && Object.keys(limits).length === 0;
      if (isWhole) cache.forgetHistory(Number.POSITIVE_INFINITY);
      return await remove(chosen);
    },
    keepToPolicy() {
      // A build that found everything has changed nothing.
      if (policy === undefined || waiting || cache.putCount === seen) return;
      waiting = true;
      pass = pass.then(async () => {
        waiting = false;
        seen = cache.putCount;
        await keep(policy).catch((error: unknown) => log(`build cache: ${messageOf(error)}`));
      });
    },
    async [Symbol.asyncDispose]() {
      waiting = true;
      await pass;
      await memory.idle();
    },
  };
}

/** False: a step has it, or somebody else has removed it. */
async function removeMount(cacheMounts: CacheMounts, key: string): Promise<boolean> {
  try {
    await cacheMounts.remove(key);
    return true;
  } catch (error) {
    if (isPlyError(error, "conflict") || isPlyError(error, "not-found")) return false;
    throw error;
  }
}
