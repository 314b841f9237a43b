import { familiarString, parseReference, type Reference } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";

/** One name or repo digest of an image. */
export interface ImageReference {
  /** As the store has it: `docker.io/library/nginx:1.27`. */
  readonly canonical: string;
  readonly reference: Reference;
  /** `docker.io/library/nginx`. */
  readonly repository: string;
  readonly kind: "tag" | "digest";
}

/** All names and repo digests of an image, names first. */
export function referencesOf(record: ImageRecord): ImageReference[] {
  return [
    ...record.names.map((canonical) => imageReference(canonical, "tag")),
    ...record.repoDigests.map((canonical) => imageReference(canonical, "digest")),
  ];
}

function imageReference(canonical: string, kind: "tag" | "digest"): ImageReference {
  const reference = parseReference(canonical);
  return { canonical, reference, repository: `${reference.domain}/${reference.path}`, kind };
}

/** As users write it: `nginx:1.27`, `nginx@sha256:…`. */
export function familiar(canonical: string): string {
  return familiarString(parseReference(canonical));
}

/**
 * True when removing the image by id removes one name only: at most one tag, and all digests in that tag's
 * repository. Docker's rule for what needs force.
 */
export function isSingleReference(references: readonly ImageReference[]): boolean {
  if (references.length <= 1) return true;
  const tags = references.filter(({ kind }) => kind === "tag");
  if (tags.length > 1) return false;
  const repositories = new Set(references.map(({ repository }) => repository));
  return repositories.size === 1;
}
