import type { DockerImageSummary, PlyImage } from "../../wire/index.ts";
import type { Column } from "../output/index.ts";
import { formatAgo, formatSize, formatTimestamp, printable } from "../output/index.ts";
import { shortId } from "./ids.ts";

/** An image, whichever list it came from. Times in milliseconds since 1970, sizes in bytes. */
export interface ImageFacts {
  readonly id: string;
  readonly names: readonly string[];
  readonly repoDigests: readonly string[];
  readonly createdMs: number | null;
  readonly size: number;
  /** Undefined: not asked for, or not known. */
  readonly sharedSize: number | undefined;
  readonly uniqueSize: number | undefined;
  readonly compressedSize: number | undefined;
  readonly pulledMs: number | undefined;
  /** null: never. */
  readonly usedMs: number | null | undefined;
  readonly containers: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** One line of `ply images`: one name of an image. */
export interface ImageRow {
  readonly image: ImageFacts;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const NONE = "<none>";

export function factsOfSummary(image: DockerImageSummary): ImageFacts {
  return {
    id: image.Id,
    names: image.RepoTags ?? [],
    repoDigests: image.RepoDigests ?? [],
    createdMs: image.Created * 1000,
    size: image.Size,
    sharedSize: image.SharedSize < 0 ? undefined : image.SharedSize,
    uniqueSize: image.SharedSize < 0 ? undefined : image.Size - image.SharedSize,
    compressedSize: undefined,
    pulledMs: undefined,
    usedMs: undefined,
    containers: image.Containers < 0 ? undefined : image.Containers,
    labels: image.Labels ?? {},
  };
}

export function factsOfPlyImage(image: PlyImage): ImageFacts {
  return {
    id: image.id,
    names: image.names,
    repoDigests: image.repoDigests,
    createdMs: image.builtAt,
    size: image.sizes.total,
    sharedSize: image.sizes.shared,
    uniqueSize: image.sizes.unique,
    compressedSize: image.sizes.compressed,
    pulledMs: image.arrivedAt,
    usedMs: image.lastUsedAt,
    containers: image.containers.length,
    labels: image.labels,
  };
}

/**
 * A row per tag; with digests shown, per tag and digest of its repository. A repository that is known by digest
 * alone has a row of its own, an image without any name one with `<none>`.
 */
export function imageRows(images: readonly ImageFacts[], options: { readonly digests: boolean }): ImageRow[] {
  const rows: ImageRow[] = [];
  for (const image of images) {
    const before = rows.length;
    const digestsOf = digestsByRepository(image.repoDigests);
    const tagged = new Set<string>();
    for (const name of image.names) {
      const colon = name.lastIndexOf(":");
      const repository = name.slice(0, colon);
      if (repository === NONE) continue;
      const tag = name.slice(colon + 1);
      tagged.add(repository);
      const digests = options.digests ? digestsOf.get(repository) : undefined;
      if (digests === undefined) rows.push({ image, repository, tag, digest: NONE });
      else for (const digest of digests) rows.push({ image, repository, tag, digest });
    }
    for (const [repository, digests] of digestsOf) {
      if (tagged.has(repository)) continue;
      for (const digest of options.digests ? digests : digests.slice(0, 1))
        rows.push({ image, repository, tag: NONE, digest });
    }
    if (rows.length === before) rows.push({ image, repository: NONE, tag: NONE, digest: NONE });
  }
  return rows;
}

function digestsByRepository(repoDigests: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const name of repoDigests) {
    const at = name.indexOf("@");
    const repository = name.slice(0, at);
    if (repository === NONE) continue;
    const digests = found.get(repository);
    if (digests === undefined) found.set(repository, [name.slice(at + 1)]);
    else digests.push(name.slice(at + 1));
  }
  return found;
}

const size = (bytes: number | undefined): string => (bytes === undefined ? "N/A" : formatSize(bytes));
const ago = (ms: number | null | undefined, nowMs: number): string =>
  ms === undefined ? "N/A" : ms === null ? "never" : formatAgo(ms, nowMs);

export function imageColumns(options: {
  readonly noTrunc: boolean;
  readonly nowMs: number;
}): Column<ImageRow>[] {
  const { noTrunc, nowMs } = options;
  return [
    { name: "Repository", heading: "REPOSITORY", value: (row) => printable(row.repository) },
    { name: "Tag", heading: "TAG", value: (row) => printable(row.tag) },
    { name: "Digest", heading: "DIGEST", value: (row) => printable(row.digest) },
    { name: "ID", heading: "IMAGE ID", value: ({ image }) => (noTrunc ? image.id : shortId(image.id)) },
    {
      name: "CreatedSince",
      heading: "CREATED",
      value: ({ image }) => (image.createdMs === null ? "N/A" : formatAgo(image.createdMs, nowMs)),
    },
    {
      name: "CreatedAt",
      heading: "CREATED AT",
      value: ({ image }) => (image.createdMs === null ? "N/A" : formatTimestamp(image.createdMs)),
    },
    { name: "PulledSince", heading: "PULLED", value: ({ image }) => ago(image.pulledMs, nowMs) },
    { name: "UsedSince", heading: "LAST USED", value: ({ image }) => ago(image.usedMs, nowMs) },
    { name: "Size", heading: "SIZE", value: ({ image }) => formatSize(image.size) },
    { name: "VirtualSize", heading: "SIZE", value: ({ image }) => formatSize(image.size) },
    { name: "UniqueSize", heading: "UNIQUE SIZE", value: ({ image }) => size(image.uniqueSize) },
    { name: "SharedSize", heading: "SHARED SIZE", value: ({ image }) => size(image.sharedSize) },
    { name: "CompressedSize", heading: "COMPRESSED", value: ({ image }) => size(image.compressedSize) },
    {
      name: "Containers",
      heading: "CONTAINERS",
      value: ({ image }) => (image.containers === undefined ? "N/A" : String(image.containers)),
    },
  ];
}
