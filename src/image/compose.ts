import {
  type Descriptor,
  type Digest,
  digestOf,
  encodeJson,
  type Index,
  type Manifest,
  MEDIA_TYPE,
} from "../oci/index.ts";
import type { FetchedManifest } from "../registry/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";
import type { Family } from "./layer-form.ts";
import { allOrNone } from "./limiter.ts";
import { ownManifests } from "./own-manifests.ts";
import { stackOfLayers } from "./stack.ts";

/** An image whose config and layers are here: one of the list of images, or one that a lease keeps. */
export type ImageContent = Pick<ImageRecord, "id" | "diffIds" | "os" | "architecture" | "variant">;

export type Annotations = Readonly<Record<string, string>>;

/** A layer in the form that a manifest names. */
export interface LayerBlob {
  readonly descriptor: Descriptor;
  open(): AsyncIterable<Uint8Array>;
}

/** An image with a manifest of its own. */
export interface ComposedImage {
  readonly content: ImageContent;
  readonly config: Uint8Array;
  readonly layers: readonly LayerBlob[];
  readonly manifest: FetchedManifest;
}

/** The image over its layers as they are here, or as `layersAs` makes them. */
export async function composeImage(
  context: ImageContext,
  content: ImageContent,
  options: {
    readonly annotations?: Annotations | undefined;
    /** Several at once; the signal is aborted when another fails. */
    readonly layersAs?: (plain: LayerBlob, signal: AbortSignal) => Promise<LayerBlob>;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ComposedImage> {
  const config = await context.configs.bytes(content.id);
  const { layersAs = async (plain) => plain } = options;
  const layers = await allOrNone(
    plainLayers(context, content).map((plain) => (signal: AbortSignal) => layersAs(plain, signal)),
    options.signal,
  );
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const parts = { config: config.length, descriptors, annotations: options.annotations };
  return { content, config, layers, manifest: manifestOver(content, { ...parts, family: "oci" }) };
}

function plainLayers(context: ImageContext, { diffIds }: ImageContent): LayerBlob[] {
  return (stackOfLayers(context, diffIds)?.layers ?? []).map((layer) => ({
    descriptor: { mediaType: MEDIA_TYPE.ociLayer, digest: layer.diffId, size: layer.tarSize },
    open: () => context.snapshots.openTar(layer),
  }));
}

/** A manifest over layers in some form. Annotations are OCI's alone. */
export function manifestOver(
  { id }: { readonly id: Digest },
  parts: {
    /** Bytes of the config. */
    readonly config: number;
    readonly descriptors: readonly Descriptor[];
    readonly family: Family;
    readonly annotations: Annotations | undefined;
  },
): FetchedManifest {
  const isOci = parts.family === "oci";
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: isOci ? MEDIA_TYPE.ociManifest : MEDIA_TYPE.dockerManifest,
    config: {
      mediaType: isOci ? MEDIA_TYPE.ociConfig : MEDIA_TYPE.dockerConfig,
      digest: id,
      size: parts.config,
    },
    layers: parts.descriptors,
    ...(isOci && parts.annotations !== undefined ? { annotations: parts.annotations } : {}),
  };
  return encoded(manifest);
}

/** An index of images, one for each platform, and of what is said about them. */
export function indexOver(
  manifests: readonly Descriptor[],
  annotations: Annotations | undefined,
): FetchedManifest {
  const index: Index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests,
    ...(annotations === undefined ? {} : { annotations }),
  };
  return encoded(index);
}

/** A document as it is pushed and archived. */
export function encoded(document: Manifest | Index): FetchedManifest {
  const bytes = encodeJson(document);
  return { bytes, mediaType: document.mediaType ?? "", digest: digestOf(bytes) };
}

export function descriptorOf({ mediaType, digest, bytes }: FetchedManifest): Descriptor {
  return { mediaType, digest, size: bytes.length };
}

/** What the newest manifest of an image says besides: it goes along wherever the image goes. */
export async function annotationsOf(
  context: ImageContext,
  record: Pick<ImageRecord, "id" | "diffIds" | "repoDigests" | "manifests">,
): Promise<Annotations | undefined> {
  const [newest] = await ownManifests(context, record, "");
  return newest?.manifest.annotations;
}
