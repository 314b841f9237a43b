import {
  ANNOTATION,
  canonicalString,
  type Descriptor,
  type Digest,
  digestOf,
  encodeJson,
  familiarName,
  familiarString,
  hexOf,
  IMAGE_LAYOUT,
  MEDIA_TYPE,
  type Reference,
} from "../oci/index.ts";
import type { ArchiveFile } from "./archive-member.ts";
import type { ComposedImage } from "./compose.ts";

/** An entry of an archive's `index.json`. */
export interface ArchiveEntry {
  readonly descriptor: Descriptor;
  readonly names: readonly Reference[];
}

/** What is in an archive. */
export interface ArchiveLayout {
  readonly images: readonly (ComposedImage & { readonly names: readonly Reference[] })[];
  readonly entries: readonly ArchiveEntry[];
  /** Indexes, and other documents that entries lead to. */
  readonly documents?: readonly Uint8Array[];
  /** docker: both layouts over the same blobs. */
  readonly format: "docker" | "oci";
}

/** The members of an archive, each blob once; the same layout gives the same ones. */
export function archiveMembers(layout: ArchiveLayout): (ArchiveFile | { readonly directory: string })[] {
  const documents = new Map<Digest, ArchiveFile>();
  const layers = new Map<Digest, ArchiveFile>();
  const addDocument = (bytes: Uint8Array): void => {
    const digest = digestOf(bytes);
    documents.set(digest, file(blobPath(digest), bytes));
  };
  for (const { config, manifest, layers: own } of layout.images) {
    addDocument(config);
    addDocument(manifest.bytes);
    for (const { descriptor, open } of own)
      layers.set(descriptor.digest, { path: blobPath(descriptor.digest), size: descriptor.size, open });
  }
  for (const bytes of layout.documents ?? []) addDocument(bytes);
  const manifests = layout.entries.flatMap((entry) => indexEntries(entry, layout.format));
  // What says where everything is comes first: a reader of the stream then knows each blob as it passes by.
  return [
    file("oci-layout", encodeJson(IMAGE_LAYOUT)),
    file("index.json", encodeJson({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests })),
    ...(layout.format === "docker" ? dockerFiles(layout) : []),
    { directory: "blobs" },
    { directory: "blobs/sha256" },
    ...inOrder(documents),
    ...inOrder(layers),
  ];
}

/**
 * One entry per name; one without names for an image that has none. For Docker and containerd the reference name is
 * the tag beside the full name; podman and skopeo read and write the full name there.
 */
function indexEntries({ descriptor, names }: ArchiveEntry, format: ArchiveLayout["format"]): Descriptor[] {
  const { platform, annotations, ...entry } = descriptor;
  const forPlatform = platform === undefined ? {} : { platform };
  if (names.length === 0)
    return [{ ...entry, ...(annotations === undefined ? {} : { annotations }), ...forPlatform }];
  return names.map((name) => ({
    ...entry,
    annotations: {
      ...annotations,
      [ANNOTATION.fullName]: canonicalString(name),
      [ANNOTATION.refName]: format === "oci" ? canonicalString(name) : (name.tag ?? ""),
    },
    ...forPlatform,
  }));
}

function dockerFiles({ images }: ArchiveLayout): ArchiveFile[] {
  const repositories: Record<string, Record<string, string>> = {};
  const manifest = images.map(({ content, layers, names }) => {
    const top = content.diffIds.at(-1);
    for (const name of names)
      if (top !== undefined && name.tag !== undefined)
        repositories[familiarName(name)] = { ...repositories[familiarName(name)], [name.tag]: hexOf(top) };
    return {
      Config: blobPath(content.id),
      RepoTags: names.length === 0 ? null : names.map(familiarString),
      Layers: layers.map(({ descriptor }) => blobPath(descriptor.digest)),
    };
  });
  return [file("manifest.json", encodeJson(manifest)), file("repositories", encodeJson(repositories))];
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.slice(0, digest.indexOf(":"))}/${hexOf(digest)}`;
}

function file(path: string, bytes: Uint8Array): ArchiveFile {
  return { path, size: bytes.length, open: () => [bytes] };
}

function inOrder(files: ReadonlyMap<string, ArchiveFile>): ArchiveFile[] {
  return [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
}
