import type { DockerImageSummary, PlyImage } from "../../wire/index.ts";
import type { Column } from "../output/index.ts";
import { formatAgo, formatSize, formatTimestamp, printable } from "../output/index.ts";
import { shortId } from "./ids.ts";

/** One line of `ply images`: one name of an image. Times in milliseconds since 1970, sizes in bytes. */
export interface ImageRow {
  readonly id: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
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

const NONE = "<none>";

type ImageFacts = Omit<ImageRow, "repository" | "tag" | "digest"> & {
  readonly names: readonly string[];
  readonly repoDigests: readonly string[];
};

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
  return images.flatMap(({ names, repoDigests, ...facts }) => {
    const rows: ImageRow[] = [];
    const digestsOf = new Map<string, string[]>();
    for (const name of repoDigests) {
      const [repository = "", digest = ""] = name.split("@");
      if (repository === NONE) continue;
      digestsOf.set(repository, [...(digestsOf.get(repository) ?? []), digest]);
    }
    const tagged = new Set<string>();
    for (const name of names) {
      const colon = name.lastIndexOf(":");
      const repository = name.slice(0, colon);
      const tag = name.slice(colon + 1);
      if (repository === NONE) continue;
      tagged.add(repository);
      const digests = options.digests ? (digestsOf.get(repository) ?? [NONE]) : [NONE];
      for (const digest of digests) rows.push({ ...facts, repository, tag, digest });
    }
    for (const [repository, digests] of digestsOf) {
      if (tagged.has(repository)) continue;
      for (const digest of options.digests ? digests : digests.slice(0, 1))
        rows.push({ ...facts, repository, tag: NONE, digest });
    }
    return rows.length > 0 ? rows : [{ ...facts, repository: NONE, tag: NONE, digest: NONE }];
  });
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
    { name: "ID", heading: "IMAGE ID", value: (row) => (noTrunc ? row.id : shortId(row.id)) },
    {
      name: "CreatedSince",
      heading: "CREATED",
      value: (row) => (row.createdMs === null ? "N/A" : formatAgo(row.createdMs, nowMs)),
    },
    {
      name: "CreatedAt",
      heading: "CREATED AT",
      value: (row) => (row.createdMs === null ? "N/A" : formatTimestamp(row.createdMs)),
    },
    { name: "PulledSince", heading: "PULLED", value: (row) => ago(row.pulledMs, nowMs) },
    { name: "UsedSince", heading: "LAST USED", value: (row) => ago(row.usedMs, nowMs) },
    { name: "Size", heading: "SIZE", value: (row) => formatSize(row.size) },
    { name: "VirtualSize", heading: "SIZE", value: (row) => formatSize(row.size) },
    { name: "UniqueSize", heading: "UNIQUE SIZE", value: (row) => size(row.uniqueSize) },
    { name: "SharedSize", heading: "SHARED SIZE", value: (row) => size(row.sharedSize) },
    { name: "CompressedSize", heading: "COMPRESSED", value: (row) => size(row.compressedSize) },
    {
      name: "Containers",
      heading: "CONTAINERS",
      value: (row) => (row.containers === undefined ? "N/A" : String(row.containers)),
    },
  ];
}
