import { PlyError, throwIfAborted } from "../error.ts";
import {
  canonicalName,
  canonicalString,
  type DiffId,
  type Digest,
  digestOf,
  familiarName,
  familiarString,
  hexOf,
  type ImageId,
  type Manifest,
  MEDIA_TYPE,
  type Platform,
  parseReference,
  type Reference,
} from "../oci/index.ts";
import type { ImageRecord, LayerStack } from "../store/index.ts";
import { type ArchiveFile, writeArchive } from "./archive-member.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { SaveOptions } from "./images.ts";
import type { ClaimedLease } from "./lease-owners.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import { resolveImage } from "./resolve.ts";
import { stackOfLayers } from "./stack.ts";

/** An image to save, under the names asked for. */
interface SavedImage {
  readonly record: ImageRecord;
  readonly names: Reference[];
}

/**
 * Images as one archive: an OCI layout, and unless that alone is wanted, Docker's `manifest.json` over the same blobs. Layers
 * are uncompressed, shared ones are in it once. The same images give the same bytes. What is saved stays in the store until the stream
 * ends or is given up.
 */
export async function saveImages(
  context: ImageContext,
  names: readonly string[],
  options: SaveOptions,
): Promise<AsyncIterable<Uint8Array>> {
  throwIfAborted(options.signal);
  const images = chooseImages(context, names, options.platform);
  const claimed = context.owners.claim(`save:${crypto.randomUUID()}`);
  try {
    for (const { record } of images) context.store.leases.addImage(claimed.lease, record.id);
    const members = await archiveMembers(context, images, options);
    for (const { record } of images)
      await emitImageEvent(context, "save", { id: record.id, name: record.id, image: record });
    return untilDone(context, writeArchive(members), claimed, options.signal);
  } catch (error) {
    claimed.end();
    throw error;
  }
}

/** Ends the lease with the stream, whether it is read to its end, fails or is returned before its first read. */
function untilDone(
  context: ImageContext,
  stream: AsyncGenerator<Uint8Array>,
  claimed: ClaimedLease,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<Uint8Array> {
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    claimed.end();
    // An image removed while it was saved was kept by the lease alone.
    await context.store.collectGarbage();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        throwIfAborted(signal);
        const step = await stream.next();
        if (step.done === true) await end();
        return step;
      } catch (error) {
        await stream.return(undefined);
        await end();
        throw error;
      }
    },
    async return() {
      await stream.return(undefined);
      await end();
      return { done: true, value: undefined };
    },
  };
}

/** Each image once, in the order first named; a repository without tag means all its tags, an id no tag. */
function chooseImages(
  context: ImageContext,
  names: readonly string[],
  platform: Platform | undefined,
): SavedImage[] {
  if (names.length === 0) throw new PlyError("invalid", "no image to save was named");
  const chosen = new Map<ImageId, SavedImage>();
  const add = (record: ImageRecord, reference: Reference | undefined, name: string) => {
    if (platform !== undefined && !fitsPlatform(platform, platformOf(record)))
      throw new PlyError("not-found", wrongPlatform(name, platformOf(record), platform));
    const image = chosen.get(record.id) ?? { record, names: [] };
    chosen.set(record.id, image);
    if (reference?.tag === undefined || reference.digest !== undefined) return;
    const text = familiarString(reference);
    if (!image.names.some((known) => familiarString(known) === text)) image.names.push(reference);
  };
  for (const name of names) {
    const tagged = taggedOf(context, name);
    for (const { record, reference } of tagged) add(record, reference, name);
    if (tagged.length > 0) continue;
    const { record, reference } = resolveImage(context, name);
    add(record, reference, name);
  }
  return [...chosen.values()];
}

/** All tags of a repository named without one; empty when the name is something else. */
function taggedOf(context: ImageContext, name: string): { record: ImageRecord; reference: Reference }[] {
  let reference: Reference;
  try {
    reference = parseReference(name);
  } catch {
    return [];
  }
  if (reference.tag !== undefined || reference.digest !== undefined) return [];
  const prefix = `${canonicalName(reference)}:`;
  return context.store.images
    .list()
    .flatMap((record) =>
      record.names
        .filter((own) => own.startsWith(prefix))
        .map((own) => ({ record, reference: parseReference(own) })),
    )
    .sort((a, b) => ((a.reference.tag ?? "") < (b.reference.tag ?? "") ? -1 : 1));
}

async function archiveMembers(
  context: ImageContext,
  images: readonly SavedImage[],
  options: SaveOptions,
): Promise<(ArchiveFile | { readonly directory: string })[]> {
  const documents = new Map<Digest, ArchiveFile>();
  const layers = new Map<DiffId, ArchiveFile>();
  const index: object[] = [];
  const dockerManifest: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  for (const { record, names } of images) {
    const stack = stackOfLayers(context, record.diffIds);
    for (const layer of stack?.layers ?? [])
      layers.set(layer.diffId, {
        path: blobPath(layer.diffId),
        size: layer.tarSize,
        open: () => context.snapshots.openTar(layer),
      });
    const config = await context.configs.bytes(record.id);
    documents.set(record.id, documentFile(record.id, config));
    const manifest = encode(plainManifest(record, config.length, stack));
    const digest = digestOf(manifest);
    documents.set(digest, documentFile(digest, manifest));
    index.push(...indexEntries(record, names, { digest, size: manifest.length, format: options.format }));
    dockerManifest.push({
      Config: blobPath(record.id),
      RepoTags: names.length === 0 ? null : names.map(familiarString),
      Layers: record.diffIds.map(blobPath),
    });
    const top = record.diffIds.at(-1);
    for (const name of names)
      if (top !== undefined && name.tag !== undefined) {
        const tags = repositories[familiarName(name)] ?? {};
        repositories[familiarName(name)] = { ...tags, [name.tag]: hexOf(top) };
      }
  }
  // What says where everything is comes first: a reader of the stream then knows each blob as it passes by.
  return [
    file("oci-layout", encode({ imageLayoutVersion: "1.0.0" })),
    file("index.json", encode({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: index })),
    ...(options.format === "docker"
      ? [file("manifest.json", encode(dockerManifest)), file("repositories", encode(repositories))]
      : []),
    { directory: "blobs" },
    { directory: "blobs/sha256" },
    ...inOrder(documents),
    ...inOrder(layers),
  ];
}

/** A manifest over the uncompressed layers, as they are in the archive. */
function plainManifest(record: ImageRecord, configSize: number, stack: LayerStack | null): Manifest {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { mediaType: MEDIA_TYPE.ociConfig, digest: record.id, size: configSize },
    layers: (stack?.layers ?? []).map((layer) => ({
      mediaType: MEDIA_TYPE.ociLayer,
      digest: layer.diffId,
      size: layer.tarSize,
    })),
  };
}

/**
 * One entry per name; one without names for an image that has none. For Docker and containerd the reference name is
 * the tag beside the full name; podman and skopeo read and write the full name there.
 */
function indexEntries(
  record: ImageRecord,
  names: readonly Reference[],
  blob: { readonly digest: Digest; readonly size: number; readonly format: SaveOptions["format"] },
): object[] {
  const entry = { mediaType: MEDIA_TYPE.ociManifest, digest: blob.digest, size: blob.size };
  const platform = platformOf(record);
  if (names.length === 0) return [{ ...entry, platform }];
  return names.map((name) => ({
    ...entry,
    annotations: {
      "io.containerd.image.name": canonicalString(name),
      "org.opencontainers.image.ref.name": blob.format === "oci" ? canonicalString(name) : (name.tag ?? ""),
    },
    platform,
  }));
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.slice(0, digest.indexOf(":"))}/${hexOf(digest)}`;
}

function documentFile(digest: Digest, bytes: Uint8Array): ArchiveFile {
  return file(blobPath(digest), bytes);
}

function file(path: string, bytes: Uint8Array): ArchiveFile {
  return { path, size: bytes.length, open: () => [bytes] };
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function inOrder(files: ReadonlyMap<string, ArchiveFile>): ArchiveFile[] {
  return [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
}
