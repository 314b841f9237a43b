import type { ChainId, DiffId, Digest, ImageId } from "../oci/index.ts";

/** Times are milliseconds since 1970; sizes are bytes. */
export interface LayerRecord {
  readonly diffId: DiffId;
  /** Absolute path of `layers/<hex>`. */
  readonly dir: string;
  readonly tarSize: number;
  /** Sum of the sizes of the files it brings: what Docker calls a layer's size. */
  readonly contentSize: number;
  readonly entryCount: number;
  readonly createdAt: number;
}

/** One compressed form in which a layer was seen. */
export interface CompressedForm {
  readonly diffId: DiffId;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Repositories known to hold it: `docker.io/library/nginx`. */
  readonly repositories: readonly string[];
}

export interface ImageRecord {
  readonly id: ImageId;
  readonly diffIds: readonly DiffId[];
  /** The whole stack; null for an image with no layers. */
  readonly chainId: ChainId | null;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  /** The config's `created`; null when it has none. */
  readonly builtAt: number | null;
  /** When it came here: pulled, loaded, imported or committed. */
  readonly arrivedAt: number;
  /** Last create, run or build from it; null: never. */
  readonly lastUsedAt: number | null;
  readonly lastTaggedAt: number | null;
  /** Image it was committed from here, if known. */
  readonly parentId: ImageId | null;
  /** `DOMAIN/PATH:TAG`, canonical, sorted. */
  readonly names: readonly string[];
  /** `DOMAIN/PATH@DIGEST`, canonical, sorted. The digest is that of the manifest or of the index pulled. */
  readonly repoDigests: readonly string[];
  /** Manifests (blobs in the store) that describe exactly this image, newest first. */
  readonly manifests: readonly Digest[];
}

/** What makes an image visible, in one transaction. */
export interface NewImage {
  readonly id: ImageId;
  readonly diffIds: readonly DiffId[];
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  readonly builtAt: number | null;
  readonly parentId?: ImageId;
  readonly names?: readonly string[];
  readonly repoDigests?: readonly string[];
  /** Digests of blobs to keep with the image (its manifest, the index it came from); all already put. */
  readonly manifests?: readonly Digest[];
  /** The lease under which its layers and blobs came in; ends with this transaction. */
  readonly lease?: Lease;
}

/**
 * Keeps content that no image refers to yet. `until` bounds how long it outlives its owner: a pull that
 * died leaves its layers for the next one, up to then. `container:ID` leases have no end.
 */
export interface Lease {
  readonly owner: string;
}

export interface Leases {
  /** Creates or renews. `untilMs` absent: until ended. */
  hold(owner: string, untilMs?: number): Lease;
  /** Keeps the image's config and whole stack, also when its record is removed later. Throws not-found. */
  addImage(lease: Lease, id: ImageId): void;
  addLayer(lease: Lease, diffId: DiffId): void;
  addBlob(lease: Lease, digest: Digest): void;
  /**
   * Names a stack before the snapshot driver materializes it, so that a crash before the image is put
   * leaves nothing unknown on disk. The layers must be in the store.
   */
  addChain(lease: Lease, diffIds: readonly DiffId[]): ChainId;
  end(owner: string): void;
  /** All owners. */
  owners(): string[];
  /** Owners of leases on this image: `container:…`. */
  ownersOf(id: ImageId): string[];
  /** Layers that something else needs than leases whose owners begin so: images, containers, other leases. */
  layersBeside(ownerPrefix: string): Set<DiffId>;
}

/** Manifests and configs, as they came, bit for bit. */
export interface Blobs {
  /** Idempotent; kept by the lease until an image refers to it. */
  put(bytes: Uint8Array, lease: Lease): Promise<Digest>;
  /** Verified. Throws not-found, corrupt. */
  get(digest: Digest): Promise<Uint8Array>;
  has(digest: Digest): boolean;
}

/** Where a layer comes from. */
export interface LayerSource {
  /** Compressed digest and size where known beforehand. */
  readonly digest?: Digest;
  readonly size?: number;
  readonly diffId?: DiffId;
  readonly mediaType?: string;
  /** Repository it is being read from, remembered with the compressed form. */
  readonly repository?: string;
  /** False: keep no part file (the source cannot be read from the middle). */
  readonly resumable: boolean;
  open(offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** What a layer on its way in tells those who wait for it. */
export type LayerProgress =
  | { readonly phase: "waiting" }
  | { readonly phase: "downloading"; readonly bytes: number; readonly total: number | undefined }
  | { readonly phase: "verifying" }
  | { readonly phase: "ready"; readonly existed: boolean };

export interface Layers {
  get(diffId: DiffId): LayerRecord | undefined;
  /** The layer that some compressed form is. */
  findByDigest(digest: Digest): LayerRecord | undefined;
  forms(diffId: DiffId): CompressedForm[];
  rememberForm(form: Omit<CompressedForm, "repositories">, repository?: string): void;
  list(): LayerRecord[];
  /**
   * The one way in. Shares a layer already here or in flight (by digest, by DiffID); the last waiter's
   * abort cancels it. Kept by `lease` afterwards.
   */
  ingest(
    source: LayerSource,
    lease: Lease,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: LayerProgress) => void },
  ): Promise<LayerRecord>;
}

export interface ImageTable {
  put(image: NewImage): ImageRecord;
  get(id: ImageId): ImageRecord | undefined;
  /** By canonical `DOMAIN/PATH:TAG` or `DOMAIN/PATH@DIGEST`. */
  findByName(name: string): ImageRecord | undefined;
  /** By hex prefix of the id; throws "conflict" when it fits several. */
  findByPrefix(hexPrefix: string): ImageRecord | undefined;
  list(): ImageRecord[];
  /** Points a canonical `DOMAIN/PATH:TAG` at an image; returns the image it pointed at before. */
  tag(name: string, id: ImageId): ImageId | undefined;
  /** Removes a name or a repo digest; false when it was not there. */
  untag(name: string): boolean;
  addRepoDigest(name: string, id: ImageId, manifest: Digest): void;
  touch(id: ImageId): void;
  /** Drops the record and its names; content goes with the next `collectGarbage`. */
  remove(id: ImageId): void;
}

/** Small JSON documents of the rooms above: containers, volumes. Each call is one transaction. */
export interface Records {
  put(key: string, value: unknown): void;
  get(key: string): unknown;
  delete(key: string): void;
  list(): { readonly key: string; readonly value: unknown }[];
}

export interface GarbageReport {
  readonly layers: readonly DiffId[];
  readonly blobs: readonly Digest[];
  readonly bytesFreed: number;
}

export interface CheckReport {
  /** What is wrong, in words, each with the path, name or digest it is about. Empty: the store is sound. */
  readonly problems: readonly {
    readonly kind: "orphan" | "missing" | "corrupt" | "dangling";
    readonly about: string;
    readonly message: string;
    readonly repaired: boolean;
  }[];
  readonly layersVerified: number;
  readonly blobsVerified: number;
  readonly bytesFreed: number;
}

export interface CheckOptions {
  readonly repair: boolean;
  /** Reads every layer through this and compares its DiffID. */
  readonly openTar: (layer: LayerRecord) => AsyncIterable<Uint8Array>;
  /** Paths the snapshot driver or a container owns and nobody knows. */
  readonly foreignOrphans: (known: ReadonlySet<ChainId>) => Promise<string[]>;
  readonly signal?: AbortSignal;
}

/** All that is kept. One process owns a store at a time (a lock on the root). */
export interface Store extends AsyncDisposable {
  readonly root: string;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly images: ImageTable;
  readonly leases: Leases;
  records(collection: string): Records;
  /** Settings of the store itself: the storage driver in use. */
  readonly settings: { get(key: string): string | undefined; set(key: string, value: string): void };
  /** Called for each stack that nothing refers to any more, before its layers go: the driver's `remove`. */
  onChainUnused: ((chainId: ChainId) => Promise<void>) | undefined;
  /**
   * Removes layers, blobs and forms that neither an image nor a lease needs; with `parts`, unfinished downloads that
   * nobody goes on with at the moment. Safe beside running pulls.
   */
  collectGarbage(options?: { readonly parts?: boolean }): Promise<GarbageReport>;
  check(options: CheckOptions): Promise<CheckReport>;
}
