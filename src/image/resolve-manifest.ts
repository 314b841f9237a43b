import { isPlyError, PlyError } from "../error.ts";
import {
  canonicalName,
  type Digest,
  familiarString,
  MAX_INDEX_DEPTH,
  type Manifest,
  type Platform,
  parseManifest,
  type Reference,
  selectManifest,
} from "../oci/index.ts";
import type { FetchedManifest, RegistryClient, RequestOptions } from "../registry/index.ts";
import { type ContentHome, registryHome } from "./content-home.ts";
import { manifestError } from "./transfer-errors.ts";

/** What a name means for one platform. */
export interface ResolvedManifest {
  /** What the name itself stands for: an index, or the manifest. */
  readonly top: FetchedManifest;
  /** The image's own manifest. */
  readonly fetched: FetchedManifest;
  readonly manifest: Manifest;
  /** Every document on the way, the manifest first, `top` last. */
  readonly path: readonly FetchedManifest[];
}

/**
 * Follows a name to the manifest of an image for a platform. Throws unsupported for schema 1 and for artifacts that are
 * no images, and what {@link resolveContent} does.
 */
export async function resolveManifest(
  registry: RegistryClient,
  reference: Reference,
  options: RequestOptions & { readonly platform: Platform },
): Promise<ResolvedManifest> {
  const resolved = await resolveContent(registryHome(registry, reference), options);
  if (resolved.kind === "artifact") throw notAnImage(reference, resolved.manifest);
  return resolved;
}

/**
 * Follows the name of a place to a manifest that is no index. Throws invalid for cycles; limit; not-found where the
 * platform is not offered.
 */
export async function resolveContent(
  home: ContentHome,
  options: RequestOptions & { readonly platform: Platform },
): Promise<ResolvedManifest & { readonly kind: "image" | "artifact" }> {
  const { platform, ...request } = options;
  const { name } = home;
  const top = await fetchTop(home, request);
  const path: FetchedManifest[] = [top];
  const seen = new Set<Digest>([top.digest]);
  let fetched = top;
  for (let depth = 0; ; depth++) {
    const parsed = parseManifest(fetched.bytes, fetched.mediaType);
    if (parsed.kind !== "index") return { kind: parsed.kind, top, fetched, manifest: parsed.manifest, path };
    if (depth >= MAX_INDEX_DEPTH)
      throw new PlyError("limit", `${name} is an index of indexes more than ${MAX_INDEX_DEPTH} deep`);
    const { digest } = selectManifest(parsed.index, platform);
    if (seen.has(digest)) throw new PlyError("invalid", `the index of ${name} contains itself (${digest})`);
    seen.add(digest);
    try {
      fetched = await home.fetchManifest(request, digest);
    } catch (error) {
      if (!isPlyError(error, "not-found")) throw error;
      throw new PlyError(
        "corrupt",
        `${name}: the registry has no manifest ${digest}, which its index names`,
        { cause: error },
      );
    }
    path.unshift(fetched);
  }
}

/** The manifest or index under a name, or Docker's words for why there is none. */
export async function fetchTop(home: ContentHome, request: RequestOptions): Promise<FetchedManifest> {
  try {
    return await home.fetchManifest(request);
  } catch (error) {
    throw home.reference === undefined ? error : manifestError(error, home.reference);
  }
}

/** What an artifact says it is: its own type, else that of its config. */
function artifactTypeOf(manifest: Manifest): string {
  return manifest.artifactType || manifest.config.mediaType || "unknown";
}

function notAnImage(reference: Reference, manifest: Manifest): PlyError {
  const type = artifactTypeOf(manifest);
  return new PlyError(
    "unsupported",
    `${familiarString(reference)} is not a container image (artifact type ${type})`,
    {
      hint: "tools for that kind of artifact can fetch it: oras, helm, cosign",
      details: { repository: canonicalName(reference), artifactType: type },
    },
  );
}
