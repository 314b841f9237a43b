import type {
  Descriptor,
  DiffId,
  Digest,
  ImageConfig,
  ImageId,
  Manifest,
  Platform,
  ProcessConfig,
  Reference,
} from "../oci/index.ts";
import type { Credentials, CredentialsOf } from "../registry/index.ts";
import type { ImageRecord, LayerRecord, LayerStack, Lease } from "../store/index.ts";
import type { Annotations, ImageContent } from "./compose.ts";
import type { ContentPlace } from "./content-home.ts";
import type { Publication, PublicationArchive } from "./publication.ts";

/** What a pull, push or load says while it runs. `id` is a short layer id (12 hex of the digest). */
export type ImageProgress =
  | { readonly kind: "message"; readonly text: string; readonly id?: string }
  | {
      readonly kind: "layer";
      readonly id: string;
      readonly status:
        | "Waiting"
        | "Downloading"
        | "Verifying"
        | "Ready"
        | "Already exists"
        | "Preparing"
        | "Pushing"
        | "Pushed"
        | "Layer already exists"
        | "Mounted"
        | "Loading";
      readonly current?: number;
      readonly total?: number;
      /** Of "Mounted": "from REPOSITORY". */
      readonly detail?: string;
    }
  | {
      /** The pull as a whole, in compressed bytes. */
      readonly kind: "total";
      readonly bytesDone: number;
      readonly bytesTotal: number;
      readonly layersDone: number;
      readonly layersTotal: number;
      readonly bytesPerSecond: number;
      readonly secondsLeft: number | undefined;
    };

export type OnProgress = (progress: ImageProgress) => void;

export interface TransferOptions {
  readonly credentials?: Credentials;
  readonly platform?: Platform;
  /** Of a pull: what the name stands for here it goes on to stand for. */
  readonly keepsName?: boolean;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface PulledImage {
  readonly id: ImageId;
  /** Digest of the manifest or index the name resolved to. */
  readonly digest: string;
  /** False: it was up to date. */
  readonly changed: boolean;
  /** Which one it is of all tags that were pulled. */
  readonly tag?: string;
}

/** An image as `ls`, `df` and prune see it. Sizes in bytes. */
export interface ImageSummary {
  readonly record: ImageRecord;
  readonly config: ImageConfig;
  readonly sizes: {
    readonly total: number;
    readonly unique: number;
    readonly shared: number;
    readonly compressed: number | undefined;
  };
  /** Ids of containers made from it. */
  readonly containers: readonly string[];
}

export interface HistoryRow {
  /** The image id that ended with this step where one is here; else the chain id of a step with a layer; else empty. */
  readonly id: string;
  readonly imageId: ImageId | undefined;
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly size: number;
  readonly comment: string;
  readonly tags: readonly string[];
  readonly diffId: string | undefined;
  readonly digest: string | undefined;
  readonly emptyLayer: boolean;
}

/** One path of the union of an image's layers. Bytes of a name that are no UTF-8 show as U+FFFD. */
export interface ImageFile {
  /** Absolute within the image. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly linkTarget: string;
  /** The layer it comes from, bottom is 0; null for a directory that no layer has an entry for. */
  readonly layer: number | null;
  readonly diffId: DiffId | null;
}

export interface Removed {
  readonly untagged?: string;
  readonly deleted?: string;
}

export interface ImageFilter {
  readonly dangling?: boolean;
  readonly labels?: readonly string[];
  readonly notLabels?: readonly string[];
  /** Familiar patterns: `alpine`, `*:latest`, `localhost:5000/*`. */
  readonly references?: readonly string[];
  readonly before?: string;
  readonly since?: string;
  /** Milliseconds since 1970, with the clock that `until` is about. */
  readonly until?: { readonly at: number; readonly clock: "built" | "arrived" | "used" };
}

export interface PruneOptions {
  readonly filter: ImageFilter;
  /** True: all unused ones, not only the dangling. */
  readonly all: boolean;
  readonly unusedForMs?: number;
  /** Newest images to keep per repository. */
  readonly keep?: number;
  /** Prune (least recently used first) until the images take no more than this many bytes. */
  readonly maxSize?: number;
  readonly dryRun?: boolean;
}

export interface CommitOptions {
  readonly reference?: Reference;
  readonly author?: string;
  readonly comment?: string;
  /** Dockerfile instructions: `CMD ["x"]`, `ENV A=b`. */
  readonly changes?: readonly string[];
}

export interface ImageDetail {
  readonly summary: ImageSummary;
  readonly config: ImageConfig;
  /** Bottom to top: what each layer is on disk and in registries. */
  readonly layers: readonly {
    readonly diffId: string;
    readonly chainId: string;
    readonly size: number;
    readonly digests: readonly string[];
  }[];
}

/** Turns a container's writable layer into image content. */
export interface CommitSource {
  readonly parent: ImageRecord | null;
  readonly containerId: string;
  /** The container's process settings, over which `changes` are laid. */
  readonly config: ProcessConfig;
  /** The writable layer in overlayfs form: one directory, or its strata, top first. */
  readonly upper: string | readonly string[];
  /** Paths in it (byte strings) that are no change of the container's: places made to mount something on. */
  readonly without?: ReadonlySet<string>;
  /** Members of an archive, without its end, that belong to the layer besides. */
  readonly more?: AsyncIterable<Uint8Array>;
}

export interface NewImageOptions {
  readonly lease: Lease;
  /** Of its manifest: they go along when it is saved or pushed. */
  readonly annotations?: Annotations;
  readonly references: readonly Reference[];
  readonly parentId?: ImageId;
  readonly signal?: AbortSignal;
}

export interface ImportOptions extends CommitOptions {
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

export interface Loaded {
  /** Familiar `name:tag`; absent for an image that came without a name. */
  readonly name?: string;
  readonly id: ImageId;
}

export interface SaveOptions {
  /** docker: both layouts in one archive (`manifest.json` and `index.json`), as Docker 25 and newer write. */
  readonly format: "docker" | "oci";
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

export interface PublishOptions {
  readonly credentialsOf?: CredentialsOf;
  /** The tags are left alone: what is pushed is known by its digest. */
  readonly byDigest?: boolean;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

/** What a place holds: layers under a config, be that an image's or something else's. */
export interface Content {
  /** Of the manifest. */
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: Uint8Array;
  /** Brings one of its layers in from there and nowhere else, verified, kept by the lease; several come side by side. */
  fetchLayer(
    layer: { readonly descriptor: Descriptor; readonly diffId: DiffId },
    lease: Lease,
    options?: Pick<TransferOptions, "signal" | "onProgress">,
  ): Promise<LayerRecord>;
}

/** A layer that somebody has. */
export interface RemoteLayerPlace {
  readonly descriptor: Descriptor;
  /** Absent: no registry. */
  readonly reference?: Reference;
  /** Makes it be here. */
  bring(): Promise<void>;
}

/** An image at its registry, as a pull would bring it. */
export interface RemoteImage {
  readonly id: ImageId;
  /** Of what the name itself stands for: a manifest or an index. */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** Bottom to top. */
  readonly layers: readonly { readonly descriptor: Descriptor; readonly diffId: DiffId }[];
  /** Brings one of its layers in, verified, kept by the lease; several come side by side, and progress is told as that of a pull. */
  fetchLayer(
    layer: { readonly descriptor: Descriptor; readonly diffId: DiffId },
    lease: Lease,
    options?: Pick<TransferOptions, "signal">,
  ): Promise<LayerRecord>;
}

/** Layers to put somewhere under a config that is no image's (OCI image-spec, manifest.md#guidelines-for-artifact-usage). */
export interface NewContent {
  readonly artifactType: string;
  readonly config: { readonly mediaType: string; readonly bytes: Uint8Array };
  readonly layers: readonly DiffId[];
  /** Of a layer that is not here: where it is said to be. What the place can neither have nor take over from there is brought here first. */
  readonly elsewhere?: (diffId: DiffId) => RemoteLayerPlace | undefined;
  /** Of layers that the place has in no form yet; gzip when absent. */
  readonly compression?: "gzip" | "zstd";
  /** Layers in another compression are not taken as they are. */
  readonly isCompressionForced?: boolean;
}

/**
 * Everything done with images. Names are given as users write them (`nginx`, `nginx:1.27`, `sha256:…`, an id
 * prefix). All throw PlyErrors with Docker's wording: not-found "No such image: nginx:latest".
 */
export interface Images {
  /** The image a user means: reference, digest, id or unambiguous id prefix; "not-found" too when it is for another platform. */
  resolve(name: string, options?: { readonly platform?: Platform | undefined }): ImageRecord;
  configOf(id: ImageId): Promise<ImageConfig>;
  pull(reference: Reference, options?: TransferOptions): Promise<PulledImage>;
  /** What a pull would bring; no layer is read. Throws as a pull does. */
  peek(reference: Reference, options?: TransferOptions): Promise<RemoteImage>;
  pullAllTags(reference: Reference, options?: TransferOptions): Promise<PulledImage[]>;
  push(
    reference: Reference,
    options?: TransferOptions,
  ): Promise<{ digest: string; size: number; tag: string }>;
  pushAllTags(
    reference: Reference,
    options?: TransferOptions,
  ): Promise<{ digest: string; size: number; tag: string }[]>;
  list(filter?: ImageFilter): Promise<ImageSummary[]>;
  inspect(name: string): Promise<ImageDetail>;
  history(name: string): Promise<HistoryRow[]>;
  /** What a container of the image sees at and below a path, and the layer each file comes from. */
  files(name: string, below?: string): Promise<ImageFile[]>;
  tag(source: string, target: Reference): Promise<void>;
  remove(name: string, options: { readonly force: boolean; readonly noPrune: boolean }): Promise<Removed[]>;
  prune(options: PruneOptions): Promise<{ removed: Removed[]; bytesReclaimed: number }>;
  save(names: readonly string[], options: SaveOptions): Promise<AsyncIterable<Uint8Array>>;
  load(
    archive: AsyncIterable<Uint8Array>,
    options?: {
      readonly onProgress?: OnProgress;
      readonly signal?: AbortSignal;
      readonly platform?: Platform;
    },
  ): Promise<Loaded[]>;
  import(tar: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImageId>;
  commit(source: CommitSource, options: CommitOptions): Promise<ImageId>;
  /** Makes an image of layers that are here, kept by the lease, which ends with it. */
  create(config: ImageConfig, options: NewImageOptions): Promise<ImageId>;
  /** Keeps the config of an image that is not to be in the list; its layers are here. */
  hold(config: ImageConfig, lease: Lease): Promise<ImageContent>;
  /** Held images as `save` writes images. */
  archive(
    publication: Publication,
    options: { readonly format: SaveOptions["format"]; readonly signal?: AbortSignal },
  ): Promise<PublicationArchive>;
  /** Pushes held images under their names; the descriptor of the manifest or index. */
  publish(publication: Publication, options: PublishOptions): Promise<Descriptor>;
  /** Layers and images with their sizes, for `system df`. Bytes. */
  diskUsage(): Promise<{ readonly layersSize: number; readonly images: ImageSummary[] }>;
  /** The manifest or index a name has at its registry, with the platforms it offers (`/distribution/{name}/json`). */
  distribution(
    reference: Reference,
    options?: TransferOptions,
  ): Promise<{ descriptor: Descriptor; platforms: Platform[] }>;
  /** What a place holds, an image or something else made of layers; none of those is read. Throws as a pull does. */
  readContent(place: ContentPlace, options?: TransferOptions): Promise<Content>;
  /** Puts layers somewhere under a config that is no image's. Throws as a push does. */
  putContent(
    place: ContentPlace,
    content: NewContent,
    options?: TransferOptions,
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Stack of layers for the snapshot driver, materialized; null for an image with no layers. Marks the image as used. */
  stackOf(id: ImageId): Promise<LayerStack | null>;
}
