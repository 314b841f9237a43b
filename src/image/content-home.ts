import { type Descriptor, type Digest, familiarString, type Reference } from "../oci/index.ts";
import type { FetchedManifest, PushBlobOptions, RegistryClient, RequestOptions } from "../registry/index.ts";

/** Where manifests and blobs lie: a name at a registry, or a directory laid out as OCI image-layout.md says. */
export type ContentPlace =
  | { readonly reference: Reference }
  | {
      /** Absolute; it is there. */
      readonly directory: string;
      /** Which of the manifests in it: `org.opencontainers.image.ref.name`. */
      readonly tag: string;
    };

/** One place, opened: as much of a registry as moving layers takes. All throw as the registry client does. */
export interface ContentHome {
  /** What errors call it. */
  readonly name: string;
  /** Absent for a directory. */
  readonly reference?: Reference;
  /** What the place's own name stands for, or another manifest beside it. */
  fetchManifest(options: RequestOptions, digest?: Digest): Promise<FetchedManifest>;
  /** Digest of what the name stands for; undefined when that is nothing. */
  headManifest(options: RequestOptions): Promise<Pick<Descriptor, "digest"> | undefined>;
  fetchBlob(descriptor: Descriptor, options: RequestOptions): Promise<Uint8Array>;
  openBlob(
    descriptor: Descriptor,
    offset: number,
    options: RequestOptions,
  ): Promise<AsyncIterable<Uint8Array>>;
  hasBlob(digest: Digest, options: RequestOptions): Promise<boolean>;
  pushBlob(
    descriptor: Pick<Descriptor, "digest" | "size">,
    open: () => AsyncIterable<Uint8Array>,
    options: PushBlobOptions,
  ): Promise<"exists" | "mounted" | "uploaded">;
  pushManifest(manifest: FetchedManifest, options: RequestOptions): Promise<void>;
}

/** A name at a registry. */
export function registryHome(registry: RegistryClient, reference: Reference): ContentHome {
  const { domain, path } = reference;
  return {
    name: familiarString(reference),
    reference,
    fetchManifest: (options, digest) =>
      registry.fetchManifest(digest === undefined ? reference : { domain, path, digest }, options),
    headManifest: (options) => registry.headManifest(reference, options),
    fetchBlob: (descriptor, options) => registry.fetchBlob(reference, descriptor, options),
    openBlob: (descriptor, offset, options) => registry.openBlob(reference, descriptor, offset, options),
    hasBlob: (digest, options) => registry.hasBlob(reference, digest, options),
    pushBlob: (descriptor, open, options) => registry.pushBlob(reference, descriptor, open, options),
    pushManifest: (manifest, options) => registry.pushManifest(reference, manifest, options),
  };
}
