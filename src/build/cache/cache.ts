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
  /** Its layer need not be here: then the record says what a step makes, for steps after it to be found by. */
  put(step: Pick<CachedStep, "key" | "diffId" | "text" | "size" | "parent">): void;
  /** The key of the step of a definition; null: it changes nothing. */
  keyOf(definition: string): string | null | undefined;
  define(definition: string, key: string | null): void;
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
  /** Forgets when steps were first made and what defines them, but for what was used since (milliseconds since 1970), of which the newest ones stay. */
  forgetHistory(unusedSince: number): void;
  /** How many steps were put since the engine began. */
  readonly putCount: number;
}

export interface CacheParts {
  /** `store.records("build-layer")`, `store.records("build-step")` and `store.records("build-definition")`. */
  readonly layerRecords: Records;
  readonly stepRecords: Records;
  readonly definitionRecords: Records;
  readonly leases: Leases;
  readonly layers: Pick<Layers, "get">;
  readonly clock: () => number;
}

/** What is known of a step by its history or definition, and when that was asked for. */
type KnownRecord<Value> = readonly [known: Value, usedAt: number];

/** A lease without an end would get one when the engine starts anew. */
const FOR_EVER_MS = 100 * 365 * 24 * 60 * 60 * 1000;
/** A use is written down at most this often: a cached build should not write. */
const TOUCH_INTERVAL_MS = 60_000;
const KNOWN_TOUCH_MS = 24 * 60 * 60 * 1000;
/** Of either kind; some 10 MB. */
const KNOWN_RECORDS = 50_000;

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
  definitionRecords,
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
    const now = clock();
    if (now - found.lastUsedAt > TOUCH_INTERVAL_MS)
      layerRecords.put(key, { ...found, lastUsedAt: now, useCount: found.useCount + 1 });
    return found;
  };
  const learn = <Value>(records: Records, key: string, value: Value): void =>
    records.put(key, [value, clock()] satisfies KnownRecord<Value>);
  const recall = <Value>(records: Records, key: string): Value | undefined => {
    const found = records.get(key) as KnownRecord<Value> | undefined;
    if (found === undefined) return undefined;
    if (clock() - found[1] > KNOWN_TOUCH_MS) learn(records, key, found[0]);
    return found[0];
  };
  const history = (key: string): number | undefined => recall<number>(stepRecords, key);
  const put: BuildCache["put"] = (step) => {
    const now = clock();
    putCount++;
    // A layer that was kept for the step before goes, unless something else needs it.
    leases.end(ownerOf(step.key));
    if (step.diffId !== null && layers.get(step.diffId) !== undefined)
      leases.addLayer(leases.hold(ownerOf(step.key), now + FOR_EVER_MS), step.diffId);
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
        keyOf: (definition) => recall<string | null>(definitionRecords, definition),
        define(definition, key) {
          if (recall(definitionRecords, definition) !== key) learn(definitionRecords, definition, key);
        },
        createdAt(historyKey, isFresh, elsewhere) {
          const here = history(historyKey);
          const known = isFresh ? [] : [here, elsewhere].filter((time) => time !== undefined);
          const first = known.length === 0 ? clock() : Math.min(...known);
          if (first !== here) learn(stepRecords, historyKey, first);
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
      for (const records of [stepRecords, definitionRecords]) {
        const all = records
          .list()
          .map(({ key, value }) => ({ key, usedAt: (value as KnownRecord<unknown>)[1] }));
        const kept = all.filter(({ usedAt }) => usedAt >= unusedSince).sort((a, b) => b.usedAt - a.usedAt);
        const keys = new Set(kept.slice(0, KNOWN_RECORDS).map(({ key }) => key));
        for (const { key } of all) if (!keys.has(key)) records.delete(key);
      }
    },
    get putCount() {
      return putCount;
    },
  };
}
