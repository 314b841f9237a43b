import { isPlyError } from "../error.ts";
import { type Digest, type Manifest, parseManifest } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";

/** A manifest that describes exactly one image here, with its bytes as they came. */
export interface OwnManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

type OwnerOfManifests = Pick<ImageRecord, "id" | "diffIds" | "repoDigests" | "manifests">;

/** An image that came from many places has many; the newest say enough. */
const MAX_MANIFESTS = 8;

/**
 * The manifests of an image (indexes and foreign ones left out): first those a repository of this domain is known
 * to have, then newest first.
 */
export async function ownManifests(
  context: ImageContext,
  record: OwnerOfManifests,
  domain: string,
): Promise<OwnManifest[]> {
  const atDomain = new Set(
    record.repoDigests
      .filter((name) => name.startsWith(`${domain}/`))
      .map((name) => name.slice(name.indexOf("@") + 1)),
  );
  const found: OwnManifest[] = [];
  for (const digest of record.manifests.slice(0, 2 * MAX_MANIFESTS)) {
    const own = await readOwn(context, record, digest);
    if (own !== undefined) found.push(own);
    if (found.length === MAX_MANIFESTS) break;
  }
  return found.sort((a, b) => Number(atDomain.has(b.digest)) - Number(atDomain.has(a.digest)));
}

async function readOwn(
  context: ImageContext,
  record: OwnerOfManifests,
  digest: Digest,
): Promise<OwnManifest | undefined> {
  try {
    const bytes = await context.store.blobs.get(digest);
    const parsed = parseManifest(bytes);
    if (parsed.kind !== "image" || parsed.manifest.config.digest !== record.id) return undefined;
    if (parsed.manifest.layers.length !== record.diffIds.length) return undefined;
    return { digest, bytes, mediaType: parsed.mediaType, manifest: parsed.manifest };
  } catch (error) {
    // A manifest is a convenience here: without it a new one is made.
    if (isPlyError(error)) return undefined;
    throw error;
  }
}
