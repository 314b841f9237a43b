import { isPlyError, PlyError } from "../error.ts";
import {
  algorithmOf,
  canonicalName,
  type Descriptor,
  type Digest,
  digestOf,
  encodeJson,
  hexOf,
  type Index,
  MAX_INDEX_ENTRIES,
  MAX_MANIFEST_BYTES,
  MEDIA_TYPE,
  parseManifest,
  type Reference,
} from "../oci/index.ts";
import type { FetchedManifest, RequestOptions } from "./client.ts";
import { nextPage } from "./listing.ts";
import { fetchManifestAt, putManifest } from "./manifest-transfer.ts";
import { homeOf, optionsAt, type RegistryContext, scopeOf } from "./repository.ts";
import type { SessionRequest } from "./session.ts";

const MAX_PAGES = 100;

/**
 * What refers to a manifest (signatures, SBOMs): by the referrers API, or by the tag that stands in for it
 * (OCI distribution-spec, referrers tag schema). Empty when nothing does.
 */
export async function referrers(
  context: RegistryContext,
  reference: Reference,
  digest: Digest,
  artifactType: string | undefined,
  options: RequestOptions = {},
): Promise<Descriptor[]> {
  const found =
    (await askApi(context, reference, digest, artifactType, options)) ??
    (await readFallback(context, reference, digest, options))?.manifests ??
    [];
  return found.filter((descriptor) => artifactType === undefined || descriptor.artifactType === artifactType);
}

/**
 * Puts a manifest; when it has a subject and the registry keeps no list of referrers itself, keeps the list
 * under the tag that stands in for it. Two clients that do so at once may lose an entry: so the spec has it.
 */
export async function pushManifest(
  context: RegistryContext,
  reference: Reference,
  manifest: FetchedManifest,
  options: RequestOptions = {},
): Promise<void> {
  const { knowsSubject } = await putManifest(context, reference, manifest, options);
  if (knowsSubject) return;
  const parsed = parseManifest(manifest.bytes, manifest.mediaType);
  const document = parsed.kind === "index" ? parsed.index : parsed.manifest;
  if (document.subject === undefined) return;
  const subject = document.subject.digest;
  if ((await askApi(context, reference, subject, undefined, options)) !== undefined) return;
  const artifactType =
    document.artifactType ?? (parsed.kind === "index" ? undefined : parsed.manifest.config.mediaType);
  const entry: Descriptor = {
    mediaType: parsed.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.byteLength,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
  };
  const known = await readFallback(context, reference, subject, options);
  if (known?.manifests.some((other) => other.digest === entry.digest) === true) return;
  const index: Index = {
    ...known,
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [...(known?.manifests ?? []), entry],
  };
  const bytes = encodeJson(index);
  await putManifest(
    context,
    fallbackReference(reference, subject),
    { bytes, mediaType: MEDIA_TYPE.ociIndex, digest: digestOf(bytes) },
    options,
  );
}

/** undefined: the registry has no such API. */
async function askApi(
  context: RegistryContext,
  reference: Reference,
  digest: Digest,
  artifactType: string | undefined,
  options: RequestOptions,
): Promise<Descriptor[] | undefined> {
  const endpoint = homeOf(context, reference);
  const query = artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
  const first: SessionRequest = {
    ...optionsAt(endpoint, reference, options),
    endpoint,
    method: "GET",
    target: `/v2/${endpoint.repository}/referrers/${digest}${query}`,
    headers: { Accept: MEDIA_TYPE.ociIndex },
    scopes: [scopeOf(endpoint, "pull")],
    expect: [200, 404],
    what: `referrers of ${canonicalName(reference)}@${digest}`,
  };
  const found: Descriptor[] = [];
  let request = first;
  for (let page = 0; page < MAX_PAGES && found.length <= MAX_INDEX_ENTRIES; page++) {
    const { response, bytes } = await context.session.read(request, MAX_MANIFEST_BYTES);
    const isIndex = (response.header("content-type") ?? "").startsWith(MEDIA_TYPE.ociIndex);
    if (response.status === 404 || !isIndex) return undefined;
    const parsed = parseManifest(bytes, MEDIA_TYPE.ociIndex);
    if (parsed.kind === "index") found.push(...parsed.index.manifests);
    const next = nextPage(response, endpoint);
    if (next === undefined) return found;
    request = { ...first, target: next };
  }
  throw new PlyError("limit", `the ${first.what} do not come to an end: ${found.length} so far`);
}

async function readFallback(
  context: RegistryContext,
  reference: Reference,
  digest: Digest,
  options: RequestOptions,
): Promise<Index | undefined> {
  const tagged = fallbackReference(reference, digest);
  try {
    const { bytes, mediaType } = await fetchManifestAt(context, homeOf(context, reference), tagged, options);
    const parsed = parseManifest(bytes, mediaType);
    return parsed.kind === "index" ? parsed.index : undefined;
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
}

/** `sha256:abc…` → tag `sha256-abc…`, cut to what a tag can hold. */
function fallbackReference(reference: Reference, digest: Digest): Reference {
  const tag = `${algorithmOf(digest)}-${hexOf(digest).slice(0, 64)}`;
  return { domain: reference.domain, path: reference.path, tag };
}
