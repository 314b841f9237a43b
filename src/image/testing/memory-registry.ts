import { PlyError, throwIfAborted } from "../../error.ts";
import { canonicalName, type Descriptor, type Digest, digestOf, type Reference } from "../../oci/index.ts";
import type { FetchedManifest, RegistryClient } from "../../registry/index.ts";

/** One call that reached the registry: `GET blob docker.io/library/a sha256:…`. */
export type Call = string;

export interface MemoryRegistry extends RegistryClient {
  readonly calls: Call[];
  /** Calls that begin so. */
  count(prefix: string): number;
  /** Puts content in without a call; answers the digest. */
  addBlob(repository: string, bytes: Uint8Array): Digest;
  addManifest(repository: string, tag: string | undefined, bytes: Uint8Array, mediaType: string): Digest;
  manifestOf(repository: string, tagOrDigest: string): FetchedManifest | undefined;
  removeBlob(repository: string, digest: Digest): void;
  /** Called before each blob is read; may wait or throw. */
  onOpenBlob: ((digest: Digest, signal: AbortSignal | undefined) => Promise<void>) | undefined;
}

interface Repository {
  readonly blobs: Map<string, Uint8Array>;
  readonly manifests: Map<string, FetchedManifest>;
  readonly tags: Map<string, Digest>;
}

/** A registry that keeps everything in memory and counts what it is asked, for tests. */
export function memoryRegistry(): MemoryRegistry {
  const repositories = new Map<string, Repository>();
  const calls: Call[] = [];
  const repository = (name: string): Repository => {
    const known = repositories.get(name);
    if (known !== undefined) return known;
    const made: Repository = { blobs: new Map(), manifests: new Map(), tags: new Map() };
    repositories.set(name, made);
    return made;
  };
  const find = (name: string, tagOrDigest: string): FetchedManifest | undefined => {
    const { manifests, tags } = repository(name);
    return manifests.get(tags.get(tagOrDigest) ?? tagOrDigest);
  };
  const wanted = (reference: Reference) => reference.digest ?? reference.tag ?? "latest";
  const blobOf = (reference: Reference, digest: Digest): Uint8Array => {
    const bytes = repository(canonicalName(reference)).blobs.get(digest);
    if (bytes === undefined)
      throw new PlyError("not-found", "blob unknown to registry", { details: { code: "BLOB_UNKNOWN" } });
    return bytes;
  };

  const registry: MemoryRegistry = {
    calls,
    onOpenBlob: undefined,
    count: (prefix) => calls.filter((call) => call.startsWith(prefix)).length,
    addBlob(name, bytes) {
      const digest = digestOf(bytes);
      repository(name).blobs.set(digest, bytes);
      return digest;
    },
    addManifest(name, tag, bytes, mediaType) {
      const digest = digestOf(bytes);
      const { manifests, tags } = repository(name);
      manifests.set(digest, { bytes, mediaType, digest });
      if (tag !== undefined) tags.set(tag, digest);
      return digest;
    },
    manifestOf: find,
    removeBlob: (name, digest) => void repository(name).blobs.delete(digest),
    login: async () => ({}),
    async fetchManifest(reference, options) {
      throwIfAborted(options?.signal);
      calls.push(`GET manifest ${canonicalName(reference)} ${wanted(reference)}`);
      const found = find(canonicalName(reference), wanted(reference));
      if (found === undefined)
        throw new PlyError("not-found", "manifest unknown", { details: { code: "MANIFEST_UNKNOWN" } });
      return found;
    },
    async headManifest(reference) {
      calls.push(`HEAD manifest ${canonicalName(reference)} ${wanted(reference)}`);
      const found = find(canonicalName(reference), wanted(reference));
      return found && { mediaType: found.mediaType, digest: found.digest, size: found.bytes.length };
    },
    async fetchBlob(reference, descriptor) {
      calls.push(`GET blob ${canonicalName(reference)} ${descriptor.digest}`);
      return blobOf(reference, descriptor.digest);
    },
    async openBlob(reference, descriptor, offset, options) {
      calls.push(`GET blob ${canonicalName(reference)} ${descriptor.digest}`);
      await registry.onOpenBlob?.(descriptor.digest, options?.signal);
      const bytes = blobOf(reference, descriptor.digest).subarray(offset);
      return (async function* () {
        for (let at = 0; at < bytes.length; at += 1000) {
          throwIfAborted(options?.signal);
          yield bytes.subarray(at, at + 1000);
        }
      })();
    },
    async hasBlob(reference, digest) {
      calls.push(`HEAD blob ${canonicalName(reference)} ${digest}`);
      return repository(canonicalName(reference)).blobs.has(digest);
    },
    async pushBlob(reference, descriptor, open, options) {
      throwIfAborted(options?.signal);
      const name = canonicalName(reference);
      const { blobs } = repository(name);
      if (blobs.has(descriptor.digest)) return "exists";
      for (const path of options?.mountFrom ?? []) {
        const bytes = repositories.get(`${reference.domain}/${path}`)?.blobs.get(descriptor.digest);
        if (bytes === undefined) continue;
        calls.push(`MOUNT blob ${name} ${descriptor.digest}`);
        blobs.set(descriptor.digest, bytes);
        return "mounted";
      }
      calls.push(`PUT blob ${name} ${descriptor.digest}`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of open()) {
        chunks.push(Uint8Array.from(chunk));
        options?.onProgress?.(chunk.length);
      }
      const bytes = Buffer.concat(chunks);
      if (digestOf(bytes) !== descriptor.digest || bytes.length !== descriptor.size)
        throw new PlyError("corrupt", "provided digest did not match uploaded content");
      blobs.set(descriptor.digest, bytes);
      return "uploaded";
    },
    async pushManifest(reference, manifest) {
      calls.push(`PUT manifest ${canonicalName(reference)} ${wanted(reference)}`);
      registry.addManifest(canonicalName(reference), reference.tag, manifest.bytes, manifest.mediaType);
    },
    tags: async (reference) => [...repository(canonicalName(reference)).tags.keys()].sort(),
    catalog: async () => [...repositories.keys()],
    async deleteManifest(reference) {
      repository(canonicalName(reference)).manifests.delete(wanted(reference));
    },
    referrers: async (): Promise<Descriptor[]> => [],
  };
  return registry;
}
