import { createHash } from "node:crypto";
import type { DiffId } from "../oci/index.ts";
import type { Layers, Leases, Records } from "../store/index.ts";

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
  readonly createdAt: number;
  readonly lastUsedAt: number;
  readonly useCount: number;
}

/** Layers by what they were made of, kept until they are pruned; and when each step of an image was first made. */
export interface BuildCache {
  find(key: string): CachedStep | undefined;
  put(step: Pick<CachedStep, "key" | "diffId" | "text" | "size">): void;
  /** When a step of this history was made first: now, unless it was made before, here or elsewhere. */
  createdAt(historyKey: string, isFresh: boolean, elsewhere?: number): number;
  /** Whether this history was made before. */
  knows(historyKey: string): boolean;
  list(): CachedStep[];
  /** The caller collects the garbage. */
  remove(key: string): void;
}

export interface CacheParts {
  /** `store.records("build-layer")` and `store.records("build-step")`. */
  readonly layerRecords: Records;
  readonly stepRecords: Records;
  readonly leases: Leases;
  readonly layers: Pick<Layers, "get">;
  readonly clock: () => number;
}

/** A lease without an end would get one when the engine starts anew. */
const FOR_EVER_MS = 100 * 365 * 24 * 60 * 60 * 1000;
/** A use is written down at most this often: a cached build should not write. */
const TOUCH_INTERVAL_MS = 60_000;

const ownerOf = (key: string): string => `build-cache:${key}`;

/** The key of a step: the same inputs in the same order. */
export function keyOf(kind: string, inputs: readonly StepInput[]): string {
  const hash = createHash("sha256").update(kind);
  for (const [what, value] of inputs) hash.update(`\0${what.length}:${what}${value.length}:${value}`);
  return hash.digest("hex");
}

export function openBuildCache({ layerRecords, stepRecords, leases, layers, clock }: CacheParts): BuildCache {
  const remove = (key: string): void => {
    layerRecords.delete(key);
    leases.end(ownerOf(key));
  };
  return {
    find(key) {
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
    },
    put(step) {
      const now = clock();
      if (step.diffId !== null)
        leases.addLayer(leases.hold(ownerOf(step.key), now + FOR_EVER_MS), step.diffId);
      layerRecords.put(step.key, { ...step, createdAt: now, lastUsedAt: now, useCount: 0 });
    },
    createdAt(historyKey, isFresh, elsewhere) {
      const here = stepRecords.get(historyKey);
      const known = isFresh ? [] : [here, elsewhere].filter((time) => typeof time === "number");
      const first = known.length === 0 ? clock() : Math.min(...known);
      if (first !== here) stepRecords.put(historyKey, first);
      return first;
    },
    knows: (historyKey) => stepRecords.get(historyKey) !== undefined,
    list: () => layerRecords.list().map(({ value }) => value as CachedStep),
    remove,
  };
}
