import { PlyError } from "../error.ts";
import type { Digest, ImageId, Reference } from "../oci/index.ts";
import {
  canonicalName,
  canonicalString,
  familiarString,
  hexOf,
  parseImageId,
  parseReference,
  withDefaultTag,
} from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";

/** How a name was understood: the reference is there when the user named a repository, tag or digest. */
export interface Resolved {
  readonly record: ImageRecord;
  readonly reference?: Reference;
}

/**
 * The image a user means by a name, as Docker looks it up: a full id; a reference (tag `latest` when it has
 * neither tag nor digest); then an unambiguous prefix of an id. Throws not-found "No such image: nginx:latest",
 * conflict for a prefix of several ids, invalid for what is neither.
 */
export function resolveImage(context: ImageContext, name: string): Resolved {
  const { images } = context.store;
  const hex = idHex(name);
  if (hex !== undefined && (hex.length === 64 || name.startsWith("sha256:"))) {
    const record = hex.length === 64 ? images.get(parseImageId(`sha256:${hex}`)) : images.findByPrefix(hex);
    if (record === undefined) throw noSuchImage(name);
    return { record };
  }
  let reference: Reference;
  try {
    reference = parseReference(name);
  } catch (error) {
    const record = hex === undefined ? undefined : images.findByPrefix(hex);
    if (record !== undefined) return { record };
    throw error;
  }
  const named = withDefaultTag(reference);
  const record = findReference(context, named);
  if (record !== undefined) return { record, reference: named };
  const byPrefix = hex === undefined ? undefined : images.findByPrefix(hex);
  if (byPrefix !== undefined) return { record: byPrefix };
  throw noSuchImage(familiarString(named));
}

/** The image a reference names; undefined when there is none. A digest wins over a tag. */
function findReference(context: ImageContext, reference: Reference): ImageRecord | undefined {
  const { images } = context.store;
  const { digest } = reference;
  if (digest === undefined) return images.findByName(canonicalString(reference));
  const repository = canonicalName(reference);
  return images.findByName(`${repository}@${digest}`) ?? findByManifest(context, repository, digest);
}

/** By the digest of a platform's own manifest where the image came in by its index. */
function findByManifest(context: ImageContext, repository: string, digest: Digest): ImageRecord | undefined {
  if (!context.store.blobs.has(digest)) return undefined;
  return context.store.images
    .list()
    .find(
      (record) =>
        record.manifests.includes(digest) &&
        record.repoDigests.some((repoDigest) => repoDigest.startsWith(`${repository}@`)),
    );
}

/** True when Docker takes this text for the image's id rather than for a name of it. */
export function isIdPrefix(id: ImageId, name: string): boolean {
  return name !== "" && (id.startsWith(name) || hexOf(id).startsWith(name));
}

export function noSuchImage(name: string): PlyError {
  return new PlyError("not-found", `No such image: ${name}`, { details: { name } });
}

function idHex(name: string): string | undefined {
  const hex = name.startsWith("sha256:") ? name.slice("sha256:".length) : name;
  return /^[0-9a-f]{1,64}$/.test(hex) ? hex : undefined;
}
