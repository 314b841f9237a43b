import { PlyError } from "../error.ts";
import { chainIdsOf, type DiffId, type ImageId } from "../oci/index.ts";
import type { ImageRecord, Store } from "../store/index.ts";
import { type ImageContext, shortId } from "./context.ts";
import type { Removed } from "./images.ts";
import { familiar, referencesOf } from "./references.ts";

/** Why an image cannot be deleted. */
export interface Conflict {
  /** Hard: force does not help. */
  readonly hard: boolean;
  readonly used: boolean;
  readonly message: string;
}

/** The containers that hold a lease on an image. */
export function leasedContainers(store: Store, id: ImageId): string[] {
  return store.leases
    .ownersOf(id)
    .filter((owner) => owner.startsWith("container:"))
    .map((owner) => owner.slice("container:".length));
}

/** All that stands against removing an image: containers that the container room knows, and those that hold a lease. */
export function usersOf(context: ImageContext, id: ImageId): { running: string[]; stopped: string[] } {
  const all = [...new Set([...context.containersOf(id), ...leasedContainers(context.store, id)])];
  return {
    running: all.filter((container) => context.isRunning(container)),
    stopped: all.filter((container) => !context.isRunning(container)),
  };
}

/** True when a transfer or save that is under way holds the image. */
export function isHeld(context: ImageContext, id: ImageId): boolean {
  return context.store.leases.ownersOf(id).some((owner) => !owner.startsWith("container:"));
}

export function childrenOf(context: ImageContext, id: ImageId): ImageRecord[] {
  return context.store.images.list().filter((record) => record.parentId === id);
}

/** What stands against deleting an image, in Docker's order; undefined: nothing. */
export function conflictOf(
  context: ImageContext,
  record: ImageRecord,
  checks: { readonly references: boolean; readonly stopped: boolean },
): Conflict | undefined {
  if (childrenOf(context, record.id).length > 0)
    return { hard: true, used: false, message: "image has dependent child images" };
  const { running, stopped } = usersOf(context, record.id);
  if (running[0] !== undefined)
    return {
      hard: true,
      used: true,
      message: `image is being used by running container ${shortId(running[0])}`,
    };
  if (checks.references && record.names.length + record.repoDigests.length > 0)
    return { hard: false, used: false, message: "image is referenced in multiple repositories" };
  if (checks.stopped && stopped[0] !== undefined)
    return {
      hard: false,
      used: true,
      message: `image is being used by stopped container ${shortId(stopped[0])}`,
    };
  return undefined;
}

export function conflictError(id: ImageId, conflict: Conflict): PlyError {
  const force = conflict.hard ? "cannot be forced" : "must be forced";
  return new PlyError(
    "conflict",
    `conflict: unable to delete ${shortId(id)} (${force}) - ${conflict.message}`,
    {
      details: { id },
    },
  );
}

/** What was done, and the events to tell once it is done. */
export interface Deletion {
  readonly removed: Removed[];
  readonly events: { readonly action: "untag" | "delete"; readonly record: ImageRecord }[];
}

/** Takes one name or repo digest away. Synchronous: nothing comes between a check before it and this. */
export function untagReference(
  context: ImageContext,
  record: ImageRecord,
  canonical: string,
  deletion: Deletion,
): void {
  if (!context.store.images.untag(canonical)) return;
  deletion.removed.push({ untagged: familiar(canonical) });
  deletion.events.push({ action: "untag", record });
}

/**
 * Takes all names away and drops the record; says which chains of layers nobody else has. The content goes with the
 * next collection.
 */
export function dropImage(context: ImageContext, id: ImageId, deletion: Deletion): void {
  const record = context.store.images.get(id);
  if (record === undefined) return;
  for (const { canonical } of referencesOf(record)) untagReference(context, record, canonical, deletion);
  context.store.images.remove(id);
  deletion.removed.push({ deleted: id });
  deletion.events.push({ action: "delete", record });
  for (const chainId of orphanedChains(record.diffIds, context.store.images.list()))
    deletion.removed.push({ deleted: chainId });
}

/** Chain ids of the stack that no other image has, top first: what Docker calls the deleted layers. */
function orphanedChains(diffIds: readonly DiffId[], others: readonly ImageRecord[]): string[] {
  let shared = 0;
  for (const other of others) {
    let common = 0;
    while (common < diffIds.length && diffIds[common] === other.diffIds[common]) common++;
    shared = Math.max(shared, common);
  }
  return chainIdsOf(diffIds).slice(shared).reverse();
}

/** Tells the deletion's events. Labels of a deleted image were remembered by whoever read its config before. */
export function tellDeletion(context: ImageContext, deletion: Deletion): void {
  for (const { action, record } of deletion.events)
    context.events.emit({
      type: "image",
      action,
      actor: { id: record.id, attributes: { name: record.id } },
    });
}
