import type { HistoryRow, ImageDetail, ImageSummary } from "../image/index.ts";
import type { Platform, ProcessConfig } from "../oci/index.ts";
import type {
  DockerHistoryItem,
  DockerImageConfig,
  DockerImageInspect,
  DockerImageSummary,
  PlyHistoryRow,
  PlyImage,
  PlyImageLayers,
} from "../wire/index.ts";
import { familiarForm } from "./image-name.ts";
import { formatTime } from "./timestamp.ts";

/** The engine's images as Docker's and ply's bodies. */

export interface ImageSummaryOptions {
  readonly apiMinor: number;
  readonly sharedSize: boolean;
  /** Count containers; else -1, as the list has it. */
  readonly containers: boolean;
}

export function dockerImageSummary(image: ImageSummary, options: ImageSummaryOptions): DockerImageSummary {
  const { record, config, sizes } = image;
  // Before 1.43 an image without a name had one all the same.
  const nameless = options.apiMinor < 43;
  const digests = record.repoDigests.map(familiarForm);
  const tags = record.names.map(familiarForm);
  return {
    Id: record.id,
    ParentId: record.parentId ?? "",
    RepoTags: nameless && tags.length === 0 ? ["<none>:<none>"] : tags,
    RepoDigests: nameless && digests.length === 0 && tags.length === 0 ? ["<none>@<none>"] : digests,
    Created: Math.floor((record.builtAt ?? 0) / 1000),
    Size: sizes.total,
    SharedSize: options.sharedSize ? sizes.shared : -1,
    Labels: config.config?.Labels ?? null,
    Containers: options.containers ? image.containers.length : -1,
    ...(options.apiMinor < 44 ? { VirtualSize: sizes.total } : {}),
  };
}

export function dockerImageInspect(
  detail: ImageDetail,
  options: { readonly apiMinor: number; readonly driver: string },
): DockerImageInspect {
  const { summary, config } = detail;
  const { record } = summary;
  return {
    Id: record.id,
    RepoTags: record.names.map(familiarForm),
    RepoDigests: record.repoDigests.map(familiarForm),
    Parent: record.parentId ?? "",
    Comment: config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? formatTime(record.builtAt),
    DockerVersion: "",
    Author: config.author ?? "",
    Config: dockerImageConfig(config.config ?? {}),
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    ...(config["os.version"] === undefined ? {} : { OsVersion: config["os.version"] }),
    Size: summary.sizes.total,
    ...(options.apiMinor < 44 ? { VirtualSize: summary.sizes.total } : {}),
    GraphDriver: { Name: options.driver, Data: null },
    RootFS: { Type: "layers", Layers: detail.layers.map((layer) => layer.diffId) },
    Metadata: { LastTagTime: formatTime(record.lastTaggedAt) },
  };
}

/** Docker always shows these, empty or not: templates such as `{{.Config.Cmd}}` rely on it. */
export function dockerImageConfig(config: ProcessConfig): DockerImageConfig {
  return {
    ...(config.User === undefined ? { User: "" } : { User: config.User }),
    ...(config.ExposedPorts === undefined ? {} : { ExposedPorts: config.ExposedPorts }),
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck }),
    ...(config.ArgsEscaped === undefined ? {} : { ArgsEscaped: config.ArgsEscaped }),
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    ...(config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal }),
    ...(config.StopTimeout === undefined ? {} : { StopTimeout: config.StopTimeout }),
    ...(config.Shell === undefined ? {} : { Shell: config.Shell }),
  };
}

export function dockerHistoryItem(row: HistoryRow): DockerHistoryItem {
  const createdMs = row.created === undefined ? 0 : Date.parse(row.created);
  return {
    Id: row.id,
    Created: Number.isNaN(createdMs) ? 0 : Math.floor(createdMs / 1000),
    CreatedBy: row.createdBy,
    Tags: row.tags.length === 0 ? null : row.tags.map(familiarForm),
    Size: row.size,
    Comment: row.comment,
  };
}

export function plyImage(image: ImageSummary): PlyImage {
  const { record, config, sizes } = image;
  return {
    id: record.id,
    names: record.names.map(familiarForm),
    repoDigests: record.repoDigests.map(familiarForm),
    platform: platformOf(record),
    builtAt: record.builtAt,
    arrivedAt: record.arrivedAt,
    lastUsedAt: record.lastUsedAt,
    lastTaggedAt: record.lastTaggedAt,
    sizes: {
      total: sizes.total,
      unique: sizes.unique,
      shared: sizes.shared,
      ...(sizes.compressed === undefined ? {} : { compressed: sizes.compressed }),
    },
    containers: image.containers,
    labels: config.config?.Labels ?? {},
  };
}

function platformOf(record: ImageSummary["record"]): Platform {
  const { os, architecture, variant } = record;
  return variant === "" ? { os, architecture } : { os, architecture, variant };
}

export function plyImageLayers(detail: ImageDetail): PlyImageLayers {
  return { image: plyImage(detail.summary), config: detail.config, layers: detail.layers };
}

export function plyHistoryRow(row: HistoryRow): PlyHistoryRow {
  const { id, imageId, created, createdBy, size, comment, tags, diffId, digest, emptyLayer } = row;
  return {
    id,
    ...(imageId === undefined ? {} : { imageId }),
    ...(created === undefined ? {} : { created }),
    createdBy,
    size,
    comment,
    tags: tags.map(familiarForm),
    ...(diffId === undefined ? {} : { diffId }),
    ...(digest === undefined ? {} : { digest }),
    emptyLayer,
  };
}
