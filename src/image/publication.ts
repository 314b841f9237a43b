import { PlyError } from "../error.ts";
import {
  type Descriptor,
  type DiffId,
  encodeJson,
  type ImageConfig,
  type ImageId,
  type Reference,
} from "../oci/index.ts";
import type { Lease } from "../store/index.ts";
import { writeArchive } from "./archive-member.ts";
import { archiveMembers } from "./archive-members.ts";
import { type Attestation, type AttestationManifest, attest } from "./attestation.ts";
import {
  type Annotations,
  type ComposedImage,
  composeImage,
  descriptorOf,
  type ImageContent,
  indexOver,
  type LayerBlob,
} from "./compose.ts";
import type { ImageContext } from "./context.ts";
import { type Compression, layerType } from "./layer-form.ts";
import { openLimiter } from "./limiter.ts";
import { platformOf } from "./platform-match.ts";
import { spoolLayer } from "./spool-layer.ts";

/** How the layers of what goes out are compressed. */
export interface LayerForm {
  readonly compression: Compression;
  readonly level?: number;
  /** Layers that are known in another form are compressed anew. */
  readonly force?: boolean;
}

/**
 * Images that go out together under one name, each for a platform of its own; a lease of the caller's keeps them, so that
 * they need not be in the list of images. More than one, or one with annotations for an index, make an index.
 */
export interface Publication {
  readonly images: readonly PublishedImage[];
  readonly names: readonly Reference[];
  readonly indexAnnotations?: Annotations;
  /** Of what names the index in an archive. */
  readonly topAnnotations?: Annotations;
  readonly form?: LayerForm;
}

export interface PublishedImage {
  readonly content: ImageContent;
  /** Of its manifest. */
  readonly annotations?: Annotations;
  /** Of the entry that names its manifest, in an index. */
  readonly descriptorAnnotations?: Annotations;
  /** What is said about it: it makes an index. */
  readonly attestations?: readonly Attestation[];
}

/** A publication as an archive. Dispose it when the stream was read or is not wanted. */
export interface PublicationArchive extends AsyncDisposable {
  /** Of the manifest, or of the index. */
  readonly descriptor: Descriptor;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** Puts the config of a new image under a lease, without making it an image of the list. Its layers are the caller's care. */
export async function holdImage(
  context: ImageContext,
  config: ImageConfig,
  lease: Lease,
): Promise<ImageContent> {
  const bytes = encodeJson(config);
  const id = (await context.store.blobs.put(bytes, lease)) as ImageId;
  const { os, architecture, variant = "" } = config;
  return { id, diffIds: config.rootfs.diff_ids, os, architecture, variant };
}

/** Writes a publication as `save` writes images. Throws "unsupported" for several platforms in Docker's format. */
export async function archivePublication(
  context: ImageContext,
  publication: Publication,
  options: { readonly format: "docker" | "oci"; readonly signal?: AbortSignal },
): Promise<PublicationArchive> {
  const { format } = options;
  const { names } = publication;
  if (format === "docker" && isIndex(publication))
    throw new PlyError("unsupported", "docker exporter does not currently support exporting manifest lists", {
      hint: "type=oci writes several platforms",
    });
  await using spools = new AsyncDisposableStack();
  const packed = new Map<string, Promise<LayerBlob>>();
  const limiter = openLimiter(context.limits.pushesAtOnce);
  const layersAs = (plain: LayerBlob, signal: AbortSignal): Promise<LayerBlob> => {
    const { digest } = plain.descriptor;
    const known = packed.get(digest);
    if (known !== undefined) return known;
    const pack = () => packLayer(context, plain, { form: publication.form, spools, signal });
    const made = limiter.run(pack, signal);
    packed.set(digest, made);
    return made;
  };
  const images: ComposedImage[] = [];
  for (const { content, annotations } of publication.images)
    images.push(await composeImage(context, content, { annotations, layersAs, signal: options.signal }));
  const entries = images.map(({ manifest }, n) => entryOf(publication, n, descriptorOf(manifest)));
  const said = attestationsOf(publication, entries);
  const inIndex = [...entries, ...said.map(({ descriptor }) => descriptor)];
  const index = isIndex(publication) ? indexOver(inIndex, publication.indexAnnotations) : undefined;
  const [first] = entries;
  if (first === undefined) throw new PlyError("internal", "there is no image to write");
  const descriptor = index === undefined ? first : topOf(publication, descriptorOf(index));
  const members = archiveMembers({
    images: images.map((image) => ({ ...image, names })),
    entries: [{ descriptor, names }],
    documents: [
      ...(index === undefined ? [] : [index.bytes]),
      ...said.flatMap(({ manifest, blobs }) => [manifest.bytes, ...blobs.map(({ bytes }) => bytes)]),
    ],
    format,
  });
  const kept = spools.move();
  return {
    descriptor,
    stream: writeArchive(members),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export function isIndex({ images, indexAnnotations, topAnnotations }: Publication): boolean {
  const isAnnotated = indexAnnotations !== undefined || topAnnotations !== undefined;
  return images.length > 1 || isAnnotated || images.some(({ attestations }) => attestations !== undefined);
}

/** What is said about the images, whose manifests these are. */
export function attestationsOf(
  { images, names }: Publication,
  manifests: readonly Descriptor[],
): AttestationManifest[] {
  return images.flatMap(({ content, attestations }, n) => {
    const manifest = manifests[n];
    if (attestations === undefined || manifest === undefined) return [];
    return [attest(manifest, { names, platform: platformOf(content), attestations })];
  });
}

function topOf({ topAnnotations }: Publication, index: Descriptor): Descriptor {
  return topAnnotations === undefined ? index : { ...index, annotations: topAnnotations };
}

/** What an index says of an image's manifest. */
export function entryOf({ images }: Publication, n: number, manifest: Descriptor): Descriptor {
  const image = images[n];
  if (image === undefined) throw new PlyError("internal", "an index has an entry for each image");
  return {
    ...manifest,
    ...(image.descriptorAnnotations === undefined ? {} : { annotations: image.descriptorAnnotations }),
    platform: platformOf(image.content),
  };
}

/** A layer compressed into a file beside the store, since its digest stands before it. */
async function packLayer(
  context: ImageContext,
  plain: LayerBlob,
  options: {
    readonly form: LayerForm | undefined;
    readonly spools: AsyncDisposableStack;
    readonly signal: AbortSignal;
  },
): Promise<LayerBlob> {
  const { compression = "none", level } = options.form ?? {};
  const mediaType = layerType("oci", compression);
  if (compression === "none" || mediaType === undefined) return plain;
  const layer = { diffId: plain.descriptor.digest as DiffId, tar: plain.open() };
  const { signal, spools } = options;
  const spool = spools.use(await spoolLayer(context, layer, { compression, level, signal }));
  return {
    descriptor: { mediaType, digest: spool.digest, size: spool.size },
    open: () => spool.open(),
  };
}
