import { canonicalName, parseReference } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";
import { type Deletion, dropImage, isHeld, tellDeletion, usersOf } from "./delete-image.ts";
import type { PruneOptions, Removed } from "./images.ts";
import { acceptsLabels, clockOf, configsOf, recordFilter } from "./list.ts";
import { familiar, referencesOf } from "./references.ts";

/**
 * Removes unused images: the dangling ones, or all. Nothing that a container, a running transfer or a kept image is based on
 * goes. All, without a filter, takes what interrupted pulls left as well. With `dryRun` nothing goes at all, and the bytes are what the layers would free.
 */
export async function pruneImages(
  context: ImageContext,
  options: PruneOptions,
): Promise<{ removed: Removed[]; bytesReclaimed: number }> {
  const labelled = await labelledIds(context, options);
  // No await between the choice and the removal: what is chosen is still unused when it goes.
  const chosen = choose(context, options, labelled);
  if (options.dryRun === true) return preview(context, chosen);
  const deletion: Deletion = { removed: [], events: [] };
  try {
    for (const record of chosen) dropImage(context, record.id, deletion);
  } finally {
    tellDeletion(context, deletion);
  }
  const isEverything = options.all && !isNarrowed(options);
  if (isEverything) context.owners.settleAll();
  const { bytesFreed } = await context.store.collectGarbage({ parts: isEverything });
  context.events.emit({
    type: "image",
    action: "prune",
    actor: { id: "", attributes: { reclaimed: String(bytesFreed) } },
  });
  return { removed: deletion.removed, bytesReclaimed: bytesFreed };
}

function isNarrowed({ filter, keep, unusedForMs, maxSize }: PruneOptions): boolean {
  const { dangling: _dangling, labels = [], notLabels = [], references = [], ...rest } = filter;
  const wishes = [...labels, ...notLabels, ...references, ...Object.values(rest), keep, unusedForMs, maxSize];
  return wishes.some((wish) => wish !== undefined);
}

/** Ids of the images that pass the label filters; undefined when there are none to pass. */
async function labelledIds(
  context: ImageContext,
  options: PruneOptions,
): Promise<ReadonlySet<string> | undefined> {
  const { labels = [], notLabels = [] } = options.filter;
  if (labels.length + notLabels.length === 0) return undefined;
  const records = context.store.images.list();
  const configs = await configsOf(context, records);
  return new Set(
    records.flatMap((record, index) => {
      const config = configs[index];
      return config !== undefined && acceptsLabels(options.filter, config) ? [record.id] : [];
    }),
  );
}

/** What goes, children before their parents. */
function choose(
  context: ImageContext,
  options: PruneOptions,
  labelled: ReadonlySet<string> | undefined,
): ImageRecord[] {
  const records = context.store.images.list();
  const kept = options.keep === undefined ? undefined : newestPerRepository(records, options.keep);
  // Whether dangling ones only or all: that is what `all` says.
  const { dangling: _dangling, ...filter } = options.filter;
  const accepts = recordFilter(context, filter);
  const now = context.clock();
  const candidates = records.filter((record) => {
    if (!options.all && record.names.length > 0) return false;
    if (kept?.has(record.id) === true) return false;
    if (labelled?.has(record.id) === false) return false;
    if (options.unusedForMs !== undefined && clockOf(record, "used") > now - options.unusedForMs)
      return false;
    const { running, stopped } = usersOf(context, record.id);
    if (running.length + stopped.length > 0 || isHeld(context, record.id)) return false;
    return accepts(record) !== undefined;
  });
  const wanted =
    options.maxSize === undefined ? candidates : leastUsed(context, records, candidates, options.maxSize);
  return withoutNeededParents(records, wanted);
}

/** The newest images of each repository, by the time they were built. */
function newestPerRepository(records: readonly ImageRecord[], count: number): ReadonlySet<string> {
  const byRepository = new Map<string, ImageRecord[]>();
  for (const record of records) {
    const repositories = new Set(record.names.map((name) => canonicalName(parseReference(name))));
    for (const repository of repositories)
      byRepository.set(repository, [...(byRepository.get(repository) ?? []), record]);
  }
  const kept = new Set<string>();
  for (const images of byRepository.values()) {
    images.sort((a, b) => (b.builtAt ?? b.arrivedAt) - (a.builtAt ?? a.arrivedAt));
    for (const { id } of images.slice(0, count)) kept.add(id);
  }
  return kept;
}

/** Least recently used first, as many as it takes until all images together are no larger than `maxSize` bytes. */
function leastUsed(
  context: ImageContext,
  records: readonly ImageRecord[],
  candidates: readonly ImageRecord[],
  maxSize: number,
): ImageRecord[] {
  const sizes = new Map(context.store.layers.list().map((layer) => [layer.diffId, layer.tarSize]));
  const users = new Map<string, number>();
  let total = 0;
  for (const record of records)
    for (const diffId of new Set(record.diffIds)) {
      const count = users.get(diffId) ?? 0;
      if (count === 0) total += sizes.get(diffId) ?? 0;
      users.set(diffId, count + 1);
    }
  const chosen: ImageRecord[] = [];
  for (const record of [...candidates].sort((a, b) => clockOf(a, "used") - clockOf(b, "used"))) {
    if (total <= maxSize) break;
    chosen.push(record);
    for (const diffId of new Set(record.diffIds)) {
      const count = (users.get(diffId) ?? 1) - 1;
      users.set(diffId, count);
      if (count === 0) total -= sizes.get(diffId) ?? 0;
    }
  }
  return chosen;
}

/** Leaves out the untagged parents of images that stay, and puts children before parents. */
function withoutNeededParents(
  records: readonly ImageRecord[],
  chosen: readonly ImageRecord[],
): ImageRecord[] {
  const going = new Map(chosen.map((record) => [record.id, record]));
  for (;;) {
    const needed = records.filter(
      ({ id, parentId }) => !going.has(id) && parentId !== null && going.has(parentId),
    );
    if (needed.length === 0) break;
    for (const { parentId } of needed) if (parentId !== null) going.delete(parentId);
  }
  const depth = (record: ImageRecord): number => {
    let count = 0;
    // An id is the digest of its config, so a chain of parents cannot come back to itself; the bound is for a bad table.
    for (let at = record.parentId; at !== null && count < records.length; count++)
      at = going.get(at)?.parentId ?? null;
    return count;
  };
  return [...going.values()].sort((a, b) => depth(b) - depth(a));
}

function preview(
  context: ImageContext,
  chosen: readonly ImageRecord[],
): { removed: Removed[]; bytesReclaimed: number } {
  const going = new Set(chosen.map(({ id }) => id));
  const needed = new Set(
    context.store.images
      .list()
      .filter(({ id }) => !going.has(id))
      .flatMap(({ diffIds }) => diffIds),
  );
  const freed = new Set(chosen.flatMap(({ diffIds }) => diffIds).filter((diffId) => !needed.has(diffId)));
  let bytesReclaimed = 0;
  for (const diffId of freed) bytesReclaimed += context.store.layers.get(diffId)?.tarSize ?? 0;
  const removed = chosen.flatMap((record): Removed[] => [
    ...referencesOf(record).map(({ canonical }) => ({ untagged: familiar(canonical) })),
    { deleted: record.id },
  ]);
  return { removed, bytesReclaimed };
}
