import type { CacheEntry } from "./cache-entries.ts";

/** Which entries are meant: those that fit all that is given. */
export interface CacheSelection {
  /** Not used since; milliseconds since 1970. */
  readonly unusedSince?: number;
  /** Regular expression that its id has a match of. */
  readonly id?: RegExp;
  readonly parent?: string;
  readonly type?: string;
  readonly description?: string;
  readonly isInUse?: boolean;
  readonly isShared?: boolean;
}

/** How much may stay; bytes. Absent: no such bound. */
export interface CacheLimits {
  /** Down to this nothing is removed. */
  readonly reservedSpace?: number;
  readonly maxUsedSpace?: number;
  /** What the filesystem is to have left. */
  readonly minFreeSpace?: number;
}

export interface ChoiceOptions {
  readonly selection: CacheSelection;
  /** Also what images have: it frees nothing. */
  readonly all: boolean;
  readonly limits: CacheLimits;
  /** Bytes that the filesystem has left. */
  readonly freeSpace: number;
}

/** What is to go: nothing that a build has, the least recently used first, as much as the limits ask for; without limits all of it. */
export function chooseEntries(entries: readonly CacheEntry[], options: ChoiceOptions): CacheEntry[] {
  const { selection, all, limits, freeSpace } = options;
  const isBounded = Object.values(limits).some((bytes) => bytes !== undefined && bytes > 0);
  let total = privateSize(entries);
  const kept = isBounded ? keptBytes(total, limits, freeSpace) : Number.NEGATIVE_INFINITY;
  const chosen: CacheEntry[] = [];
  for (const entry of entries
    .filter((each) => !each.isInUse && (all || !each.isShared) && isSelected(each, selection))
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt || a.useCount - b.useCount)) {
    if (total <= kept) break;
    // With a bound it is about bytes.
    if (isBounded && (entry.isShared || entry.size === 0)) continue;
    if (!entry.isShared) total -= entry.size;
    chosen.push(entry);
  }
  return chosen;
}

/** What comes free when all of these go. */
export function privateSize(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, { isShared, size }) => sum + (isShared ? 0 : size), 0);
}

/** As BuildKit reckons: as much as may be used, less what the disk lacks, but what is reserved in any case. */
function keptBytes(total: number, limits: CacheLimits, freeSpace: number): number {
  const { reservedSpace = 0, maxUsedSpace = 0, minFreeSpace = 0 } = limits;
  const lacking = Math.max(0, minFreeSpace - freeSpace);
  const bounds = [...(maxUsedSpace > 0 ? [maxUsedSpace] : []), ...(lacking > 0 ? [total - lacking] : [])];
  if (bounds.length === 0) return minFreeSpace > 0 ? total : reservedSpace;
  return Math.max(reservedSpace, Math.min(...bounds));
}

/** Whether an entry fits all that is given. */
export function isSelected(entry: CacheEntry, selection: CacheSelection): boolean {
  const { unusedSince, id, parent, type, description, isInUse, isShared } = selection;
  return (
    (unusedSince === undefined || entry.lastUsedAt <= unusedSince) &&
    (id === undefined || id.test(entry.id)) &&
    (parent === undefined || entry.parents.includes(parent)) &&
    (type === undefined || entry.type === type) &&
    (description === undefined || entry.description === description) &&
    (isInUse === undefined || entry.isInUse === isInUse) &&
    (isShared === undefined || entry.isShared === isShared)
  );
}
