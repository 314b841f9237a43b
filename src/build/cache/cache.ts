import { createHash } from "node:crypto";
import type { DiffId } from "../../oci/index.ts";
import type { Layers, Leases, Records } from "../../store/index.ts";

/** One thing a step's result depends on: what it is, and its value. */
export type StepInput = readonly [what: string, value: string];

/** What a step made once. */
export interface CachedStep {
  readonly key: string;
  /** Null: it changed nothing. */
  readonly diffId: DiffId | null;
  /** The instruction, for people. */
  readonly text: string;
  /** Bytes of the files it brought. */
  readonly size: number;
  /** The step of a layer before it, when it was made. */
  readonly parent?: string;
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly useCount: number;
}

/** Layers by what they were made of, kept until they are pruned; and when each step of an image was first made. */
export interface BuildCache {
  find(key: string): CachedStep | undefined;
  put(step: Pick<CachedStep, "key" | "diffId" | "text" | "size" | "parent">): void;
  /** When a step of this history was made first: now, unless it was made before, here or elsewhere. */
  createdAt(historyKey: string, isFresh: boolean, elsewhere?: number): number;
  /** Whether this history was made before. */
  knows(historyKey: string): boolean;
}

/** The cache of all builds. */
export interface SharedCache {
  /** As one build sees it: what it finds and makes is in use until it is disposed. */
  forBuild(): BuildCache & Disposable;
  list(): CachedStep[];
  has(key: string): boolean;
  isInUse(key: string): boolean;
  /** Layers that something else needs as well: they stay when a step goes. */
  layersBeside(): Set<DiffId>;
  /** The caller collects the garbage. */
  remove(key: string): void;
  /** Forgets when steps were first made, but for those used since (milliseconds since 1970), of which the newest ones stay. */
  forgetHistory(unusedSince: number): void;
  /** How many steps were put since the engine began. */
  readonly putCount: number;
}

export interface CacheParts {
  /** `store.records("build-layer")` and `store.records("build-step")`. */
  readonly layerRecords: Records;
  readonly stepRecords: Records;
  readonly leases: Leases;
  readonly layers: Pick<Layers, "get">;
  readonly clock: () => number;
}

/** When a step of a history was first made, and when that was asked for. */
type HistoryRecord = readonly [createdAt: number, usedAt: number];

/** A lease without an end would get one when the engine starts anew. */
const FOR_EVER_MS = 100 * 365 * 24 * 60 * 60 * 1000;
/** A use is written down at most this often: a cached build should not write. */
const TOUCH_INTERVAL_MS = 60_000;
const HISTORY_TOUCH_MS = 24 * 60 * 60 * 1000;
/** Some 10 MB of records. */
const HISTORIES = 50_000;

/** Text is gathered for so long: handing over each input would take longer than hashing it. */
const HASHED_AT_ONCE = 32 * 1024;

const OWNER_PREFIX = "build-cache:";
const ownerOf = (key: string): string => `${OWNER_PREFIX}${key}`;

/** The key of a step: the same inputs in the same order. */
export function keyOf(kind: string, inputs: readonly StepInput[]): string {
  const hash = createHash("sha256");
  let text = kind;
  for (const [what, value] of inputs) {
    text += `\0${what.length}:${what}${value.length}:${value}`;
    if (text.length < HASHED_AT_ONCE) continue;
    hash.update(text);
    text = "";
  }
  return hash.update(text).digest("hex");
}

export function openBuildCache({
  layerRecords,
  stepRecords,
  leases,
  layers,
  clock,
}: CacheParts): SharedCache {
  const uses = new Map<string, number>();
  let putCount = 0;
  const remove = (key: string): void => {
    layerRecords.delete(key);
    leases.end(ownerOf(key));
  };
  const find = (key: string): CachedStep | undefined => {
    const found = layerRecords.get(key) as CachedStep | undefined;
    if (found === undefined) return undefined;
    if (found.diffId !== null && layers.get(found.diffId) === undefined) {
      remove(key);
      return undefined;
    }
    const now = clock();
    if (now - found.lastUsedAt > TOUCH_INTERVAL_MS)
      layerRecords.put(key, { ...found, lastUsedAt: now, useCount: found.useCount + 1 });
    return found;
  };
  const history = (key: string): HistoryRecord | undefined => {
    const found = stepRecords.get(key) as HistoryRecord | undefined;
    if (found === undefined) return undefined;
    const now = clock();
    if (now - found[1] > HISTORY_TOUCH_MS) stepRecords.put(key, [found[0], now] satisfies HistoryRecord);
    return found;
  };
  const put: BuildCache["put"] = (step) => {
    const now = clock();
    putCount++;
    // A layer that was kept for the step before goes, unless something else needs it.
    leases.end(ownerOf(step.key));
    if (step.diffId !== null) leases.addLayer(leases.hold(ownerOf(step.key), now + FOR_EVER_MS), step.diffId);
    layerRecords.put(step.key, { ...step, createdAt: now, lastUsedAt: now, useCount: 0 });
  };
  return {
    forBuild() {
      const used = new Set<string>();
      const use = (key: string): void => {
        if (used.has(key)) return;
        used.add(key);
        uses.set(key, (uses.get(key) ?? 0) + 1);
      };
      return {
        find(key) {
          const found = find(key);
          if (found !== undefined) use(key);
          return found;
        },
        put(step) {
          put(step);
          use(step.key);
        },
        createdAt(historyKey, isFresh, elsewhere) {
          const here = history(historyKey)?.[0];
          const known = isFresh ? [] : [here, elsewhere].filter((time) => time !== undefined);
          const first = known.length === 0 ? clock() : Math.min(...known);
          if (first !== here) stepRecords.put(historyKey, [first, clock()] satisfies HistoryRecord);
          return first;
        },
        knows: (historyKey) => history(historyKey) !== undefined,
        [Symbol.dispose]() {
          for (const key of used) {
            const left = (uses.get(key) ?? 1) - 1;
            if (left > 0) uses.set(key, left);
            else uses.delete(key);
          }
          used.clear();
        },
      };
    },
    list: () => layerRecords.list().map(({ value }) => value as CachedStep),
    has: (key) => layerRecords.get(key) !== undefined,
    isInUse: (key) => uses.has(key),
    layersBeside: () => leases.layersBeside(OWNER_PREFIX),
    remove,
    forgetHistory(unusedSince) {
      const all = stepRecords.list().map(({ key, value }) => ({ key, usedAt: (value as HistoryRecord)[1] }));
      const kept = all.filter(({ usedAt }) => usedAt >= unusedSince).sort((a, b) => b.usedAt - a.usedAt);
      const keys = new Set(kept.slice(0, HISTORIES).map(({ key }) => key));
      for (const { key } of all) if (!keys.has(key)) stepRecords.delete(key);
    },
    get putCount() {
      return putCount;
    },
  };
}
