import type { HistoryEntry } from "../oci/index.ts";
import type { CacheRecord } from "./remote-cache/records.ts";
import type { Session, StepOutcome } from "./session.ts";

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
  { outcome: { cacheKey, layer }, historyKey }: Done,
  { created = "" }: HistoryEntry,
): Promise<CacheRecord> {
  const record = { historyKey, createdAt: Date.parse(created) };
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
      : ("all" in times ? times.all : times.atMost) * 1000;
  return {
    created: new Date(created).toISOString(),
    created_by: createdBy,
    ...(author === undefined ? {} : { author }),
    comment: "buildkit.dockerfile.v0",
    ...(isEmpty ? { empty_layer: true } : {}),
  };
}
