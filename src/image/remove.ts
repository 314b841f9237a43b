import { PlyError } from "../error.ts";
import type { ImageId } from "../oci/index.ts";
import { type ImageContext, shortId } from "./context.ts";
import {
  conflictError,
  conflictOf,
  type Deletion,
  dropImage,
  tellDeletion,
  untagReference,
  usersOf,
} from "./delete-image.ts";
import type { Removed } from "./images.ts";
import { type ImageReference, isSingleReference, referencesOf } from "./references.ts";
import { isIdPrefix, resolveImage } from "./resolve.ts";

/**
 * Removes a name, or an image with all its names, as Docker's `rmi`. Untagged parents that nothing else needs go
 * too, unless `noPrune`. Throws "conflict" for what a container, a child image or another name still needs.
 */
export async function removeImage(
  context: ImageContext,
  name: string,
  options: { readonly force: boolean; readonly noPrune: boolean },
): Promise<Removed[]> {
  const deletion: Deletion = { removed: [], events: [] };
  try {
    // No await from here on: what the checks found still holds when the image goes.
    removeNow(context, name, options, deletion);
  } finally {
    tellDeletion(context, deletion);
  }
  await context.store.collectGarbage();
  return deletion.removed;
}

function removeNow(
  context: ImageContext,
  name: string,
  options: { readonly force: boolean; readonly noPrune: boolean },
  deletion: Deletion,
): void {
  const { record, reference } = resolveImage(context, name);
  const references = referencesOf(record);
  let quiet = false;
  if (reference !== undefined && !isIdPrefix(record.id, name)) {
    const target = references.find(({ reference: own, kind }) => {
      const sameRepository = own.domain === reference.domain && own.path === reference.path;
      if (!sameRepository) return false;
      return reference.digest === undefined
        ? kind === "tag" && own.tag === reference.tag
        : kind === "digest" && own.digest === reference.digest;
    });
    if (target === undefined)
      throw new PlyError("not-found", `No such image: ${name}`, {
        hint: `the image is here as ${shortId(record.id)}; remove it by that id or by one of its names`,
      });
    if (removeReference(context, record.id, { name, target, force: options.force, deletion })) return;
    quiet = true;
  } else if (isSingleReference(references)) {
    const conflict = conflictOf(context, record, { references: false, stopped: !options.force });
    if (conflict !== undefined) throw conflictError(record.id, conflict);
    for (const { canonical } of references) untagReference(context, record, canonical, deletion);
  }
  deleteImage(context, record.id, { force: options.force, prune: !options.noPrune, quiet, deletion });
}

/** Takes one name away; true when others remain, so that the image stays. */
function removeReference(
  context: ImageContext,
  id: ImageId,
  what: {
    readonly name: string;
    readonly target: ImageReference;
    readonly force: boolean;
    readonly deletion: Deletion;
  },
): boolean {
  const record = context.store.images.get(id);
  if (record === undefined) return true;
  if (!what.force && isSingleReference(referencesOf(record))) {
    // The image would be left without a name: that has to be said explicitly while a container needs it.
    const { running, stopped } = usersOf(context, id);
    const user = [...running, ...stopped][0];
    if (user !== undefined)
      throw new PlyError(
        "conflict",
        `conflict: unable to remove repository reference ${JSON.stringify(what.name)} (must force) - container ${shortId(user)} is using its referenced image ${shortId(id)}`,
        { details: { id, container: user } },
      );
  }
  untagReference(context, record, what.target.canonical, what.deletion);
  let left = references(context, id);
  if (what.target.kind === "tag") {
    const { repository } = what.target;
    // With the last tag of a repository its digests go as well.
    if (!left.some((other) => other.kind === "tag" && other.repository === repository))
      for (const other of left)
        if (other.repository === repository) untagReference(context, record, other.canonical, what.deletion);
    left = references(context, id);
  }
  return left.length > 0;
}

function references(context: ImageContext, id: ImageId): ImageReference[] {
  const record = context.store.images.get(id);
  return record === undefined ? [] : referencesOf(record);
}

/** Deletes the image, then its parents as far as nothing else needs them. */
function deleteImage(
  context: ImageContext,
  id: ImageId,
  options: {
    readonly force: boolean;
    readonly prune: boolean;
    /** True: an image that something needs simply stays. */
    readonly quiet: boolean;
    readonly deletion: Deletion;
  },
): void {
  const record = context.store.images.get(id);
  if (record === undefined) return;
  const conflict = conflictOf(context, record, { references: !options.force, stopped: !options.force });
  if (conflict !== undefined) {
    if (options.quiet) return;
    throw conflictError(id, conflict);
  }
  dropImage(context, id, options.deletion);
  if (options.prune && record.parentId !== null)
    deleteImage(context, record.parentId, { ...options, force: false, quiet: true });
}
