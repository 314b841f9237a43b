import { aspectsOf, type ChangeAspect } from "./changes.ts";
import type { LayerEntry, LayerIndex } from "./entry.ts";

/** Where two layers are not the same. */
export interface EntryDifference {
  /** A byte string. */
  readonly path: string;
  /** Only one of the layers has it, what differs of it, or "order": it is the first that stands elsewhere in the archive. */
  readonly what: "added" | "deleted" | "order" | readonly ChangeAspect[];
  readonly before: LayerEntry | undefined;
  readonly after: LayerEntry | undefined;
}

/**
 * Compares two layers entry by entry, in the order of the first. `sameContent` is asked for files of one size. Nothing for two that
 * hold the same: their archives may differ in form.
 */
export async function compareLayers(
  before: LayerIndex,
  after: LayerIndex,
  sameContent: (before: LayerEntry, after: LayerEntry) => Promise<boolean>,
): Promise<EntryDifference[]> {
  const [olds, news] = [byName(before), byName(after)];
  const differences: EntryDifference[] = [];
  for (const [name, old] of olds) {
    const now = news.get(name);
    if (now === undefined)
      differences.push({ path: old.path, what: "deleted", before: old, after: undefined });
    else {
      const isSame = old.type !== "file" || old.size !== now.size || (await sameContent(old, now));
      const what = aspectsOf(old, now, { sameContent: () => isSame });
      if (what.length > 0) differences.push({ path: old.path, what, before: old, after: now });
    }
  }
  for (const [name, now] of news)
    if (!olds.has(name)) differences.push({ path: now.path, what: "added", before: undefined, after: now });
  const order = [...olds.keys()].filter((name) => news.has(name));
  const moved = [...news.keys()].filter((name) => olds.has(name)).find((name, n) => name !== order[n]);
  const found = moved === undefined ? undefined : news.get(moved);
  if (moved !== undefined && found !== undefined)
    differences.push({ path: found.path, what: "order", before: olds.get(moved), after: found });
  return differences;
}

/** A directory and the marker that hides what was in it are two entries of one path. */
function byName({ entries }: LayerIndex): Map<string, LayerEntry> {
  return new Map(entries.map((entry) => [entry.type === "opaque" ? `${entry.path}/` : entry.path, entry]));
}
