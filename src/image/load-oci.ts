import { isPlyError, PlyError } from "../error.ts";
import {
  ANNOTATION,
  algorithmOf,
  type Descriptor,
  type DiffId,
  digestOf,
  type ImageId,
  type Index,
  isAttestation,
  MAX_INDEX_DEPTH,
  MEDIA_TYPE,
  type Platform,
  parseImageConfig,
  parseManifest,
  parseReference,
  type Reference,
  selectManifest,
  withDefaultTag,
} from "../oci/index.ts";
import { type ArchiveContents, blobMember } from "./archive-contents.ts";
import type { ImageContext } from "./context.ts";
import { compressionOf } from "./layer-form.ts";
import { checkLayers, type LoadPlan } from "./load-plan.ts";

interface Loading {
  readonly context: ImageContext;
  readonly contents: ArchiveContents;
  readonly platform: Platform;
  readonly keep: (diffId: DiffId) => void;
}

/**
 * The images of an OCI layout: each entry of `index.json`, and of an entry that is an index the one for the platform.
 * Attestations and artifacts are passed over.
 */
export function planOciLayout(loading: Loading, indexBytes: Uint8Array): LoadPlan[] {
  const parsed = parseManifest(indexBytes, MEDIA_TYPE.ociIndex);
  if (parsed.kind !== "index")
    throw new PlyError("invalid", "index.json in the archive is not an image index");
  const plans = new Map<ImageId, LoadPlan>();
  for (const group of groupsOf(parsed.index)) {
    const descriptors = forPlatform(loading, group.descriptors);
    for (const descriptor of descriptors) {
      const plan = planEntry(loading, descriptor, 0);
      if (plan === undefined) continue;
      const known = plans.get(plan.id);
      plans.set(plan.id, { ...plan, names: [...(known?.names ?? []), ...group.names] });
    }
  }
  return [...plans.values()];
}

/** Entries with one name belong together: they are the platforms of one image. */
function groupsOf(index: Index): { readonly names: Reference[]; readonly descriptors: Descriptor[] }[] {
  const groups = new Map<string, { names: Reference[]; descriptors: Descriptor[] }>();
  for (const descriptor of index.manifests) {
    if (isAttestation(descriptor)) continue;
    const name = nameOf(descriptor);
    const key = name === undefined ? "" : `${name.domain}/${name.path}:${name.tag}`;
    const group = groups.get(key) ?? { names: name === undefined ? [] : [name], descriptors: [] };
    groups.set(key, group);
    if (!group.descriptors.some(({ digest }) => digest === descriptor.digest))
      group.descriptors.push(descriptor);
  }
  return [...groups.values()];
}

/** The full name an entry carries. A reference name that is a tag only, as the specification has it, names no repository. */
function nameOf(descriptor: Descriptor): Reference | undefined {
  const full = descriptor.annotations?.[ANNOTATION.fullName];
  const reference = descriptor.annotations?.[ANNOTATION.refName];
  const text = full ?? (reference !== undefined && /[/:]/.test(reference) ? reference : undefined);
  if (text === undefined || text === "") return undefined;
  try {
    const { digest: _digest, ...name } = withDefaultTag(parseReference(text));
    return withDefaultTag(name);
  } catch (error) {
    // Any text may stand there; an image without a usable name is loaded without one.
    if (isPlyError(error)) return undefined;
    throw error;
  }
}

/** Several entries that all state a platform are one image for several machines: the fitting one. Else all of them. */
function forPlatform(loading: Loading, descriptors: readonly Descriptor[]): readonly Descriptor[] {
  if (descriptors.length < 2) return descriptors;
  const platforms = new Set(descriptors.map(({ platform }) => JSON.stringify(platform ?? null)));
  const isOneImage = platforms.size === descriptors.length && !platforms.has("null");
  return isOneImage ? [choose(loading, { schemaVersion: 2, manifests: descriptors })] : descriptors;
}

/** Among the manifests that are in the archive; a lone one is meant, whatever its platform. */
function choose(loading: Loading, index: Index): Descriptor {
  const present = index.manifests.filter(
    (descriptor) => !isAttestation(descriptor) && loading.contents.has(blobMember(descriptor.digest)),
  );
  const [first] = present;
  if (first !== undefined && present.length === 1) return first;
  return selectManifest(present.length === 0 ? index : { ...index, manifests: present }, loading.platform);
}

function planEntry(loading: Loading, descriptor: Descriptor, depth: number): LoadPlan | undefined {
  const { context, contents } = loading;
  const bytes = blobOf(contents, descriptor, "index.json");
  const parsed = parseManifest(bytes, descriptor.mediaType);
  if (parsed.kind === "index") {
    if (depth >= MAX_INDEX_DEPTH)
      throw new PlyError("limit", `the archive has indexes of indexes more than ${MAX_INDEX_DEPTH} deep`);
    return planEntry(loading, choose(loading, parsed.index), depth + 1);
  }
  if (parsed.kind === "artifact") return undefined;
  const { manifest } = parsed;
  const configBytes = blobOf(contents, manifest.config, `manifest ${descriptor.digest}`);
  const config = parseImageConfig(configBytes);
  checkLayers(context, contents, {
    config,
    members: manifest.layers.map(({ digest }) => blobMember(digest)),
    namedBy: `manifest ${descriptor.digest}`,
    keep: loading.keep,
  });
  // A manifest over plain tars is an archive's own: nobody wants that pushed, but for what is written in it.
  const isKept =
    manifest.annotations !== undefined ||
    manifest.layers.every(({ mediaType }) => compressionOf(mediaType) !== "none");
  return {
    id: manifest.config.digest as ImageId,
    config,
    configBytes,
    names: [],
    manifests: isKept ? [{ digest: descriptor.digest, bytes }] : [],
  };
}

/** A JSON blob, verified against its descriptor. */
function blobOf(contents: ArchiveContents, descriptor: Descriptor, namedBy: string): Uint8Array {
  const path = blobMember(descriptor.digest);
  const bytes = contents.document(path);
  if (bytes === undefined)
    throw new PlyError("invalid", `the archive has no document ${path}, which ${namedBy} names`);
  if (
    bytes.length !== descriptor.size ||
    digestOf(bytes, algorithmOf(descriptor.digest)) !== descriptor.digest
  )
    throw new PlyError("corrupt", `${path} in the archive is not what its name says: it was changed`);
  return bytes;
}
