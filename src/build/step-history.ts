import type { HistoryEntry } from "../oci/index.ts";
import { keyOf } from "./cache/cache.ts";
import { secondsOf } from "./copy/layer-plan.ts";
import type { CacheRecord } from "./remote-cache/records.ts";
import type { Session, StepOutcome } from "./session.ts";

/** What a layer is said to come from: tools know the builder by it. */
export const LAYER_COMMENT = "buildkit.dockerfile.v0";

/** The key of a step with a layer, in the history of its stage. */
export function layerKey(key: string, createdBy: string): string {
  return keyOf("layer", [
    ["layer", key],
    ["instruction", createdBy],
  ]);
}

/** A step that is over. */
export interface Done {
  readonly outcome: StepOutcome;
  readonly historyKey: string;
  readonly isFresh: boolean;
}

/** Whether a step that has no layer was made before, after the same ones. */
export function isKnown({ cache, imports }: Session, historyKey: string): boolean {
  return cache.knows(historyKey) || imports.createdAt(historyKey) !== undefined;
}

/** The step as the cache outside of the store has it. */
export async function recordOf(
  { outcome: { cacheKey, definition, layer }, historyKey }: Done,
  { created = "" }: HistoryEntry,
): Promise<CacheRecord> {
  const record = {
    historyKey,
    createdAt: Date.parse(created),
    ...(definition === undefined ? {} : { definition: (await definition).key }),
  };
  if (cacheKey === undefined) return record;
  return { ...record, made: { key: cacheKey, diffId: (await layer)?.diffId ?? null } };
}

/** The step as the image has it; waits for its layer. */
export async function historyOf(
  session: Session,
  { outcome: { createdBy, layer }, historyKey, isFresh }: Done,
  author: string | undefined,
): Promise<HistoryEntry> {
  const { times } = session.options;
  const isEmpty = layer === undefined || (await layer) === undefined;
  const created =
    times === undefined
      ? session.cache.createdAt(historyKey, isFresh, session.imports.createdAt(historyKey))
      : secondsOf(times) * 1000;
  return {
    created: new Date(created).toISOString(),
    created_by: createdBy,
    ...(author === undefined ? {} : { author }),
    comment: LAYER_COMMENT,
    ...(isEmpty ? { empty_layer: true } : {}),
  };
}
