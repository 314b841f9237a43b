import { gzipSync, zstdCompressSync } from "node:zlib";
import { type Descriptor, type Digest, digestOf, type ImageConfig, MEDIA_TYPE } from "../../oci/index.ts";
import { TAR_END, tarHeader, tarPadding } from "../../tar/index.ts";
import type { MemoryRegistry } from "./memory-registry.ts";

/** The tar of a layer: path → content. */
export function sampleTar(files: Readonly<Record<string, string>>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [path, text] of Object.entries(files)) {
    const content = Buffer.from(text);
    parts.push(
      tarHeader({ path, type: "file", mode: 0o644, size: content.length }),
      content,
      tarPadding(content.length),
    );
  }
  return Buffer.concat([...parts, TAR_END]);
}

export interface SampleLayer {
  readonly tar: Uint8Array;
  readonly packing?: "none" | "gzip" | "zstd";
}

export interface SampleImage {
  readonly layers: readonly SampleLayer[];
  readonly docker?: boolean;
  readonly config?: Partial<ImageConfig> & Readonly<Record<string, unknown>>;
}

export interface BuiltImage {
  readonly id: Digest;
  readonly digest: Digest;
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly config: Uint8Array;
  readonly diffIds: Digest[];
  readonly blobs: { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

const LAYER_TYPE = {
  none: [MEDIA_TYPE.ociLayer, MEDIA_TYPE.dockerLayer],
  gzip: [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.dockerLayerGzip],
  zstd: [MEDIA_TYPE.ociLayerZstd, MEDIA_TYPE.ociLayerZstd],
} as const;

export function buildImage(image: SampleImage): BuiltImage {
  const style = image.docker ? 1 : 0;
  const blobs = image.layers.map(({ tar, packing = "gzip" }) => {
    // Other settings than ours, so that compressing again does not give the same bytes.
    const bytes =
      packing === "gzip" ? gzipSync(tar, { level: 1 }) : packing === "zstd" ? zstdCompressSync(tar) : tar;
    const descriptor = { mediaType: LAYER_TYPE[packing][style], digest: digestOf(bytes), size: bytes.length };
    return { descriptor, bytes };
  });
  const diffIds = image.layers.map(({ tar }) => digestOf(tar));
  const config = Buffer.from(
    JSON.stringify({
      created: "2026-01-02T03:04:05Z",
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] },
      history: diffIds.map((_, index) => ({ created: "2026-01-02T03:04:05Z", created_by: `step ${index}` })),
      ...image.config,
      rootfs: { type: "layers", diff_ids: diffIds },
    }),
  );
  const mediaType = image.docker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: {
        mediaType: image.docker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig,
        digest: digestOf(config),
        size: config.length,
      },
      layers: blobs.map(({ descriptor }) => descriptor),
    }),
  );
  return { id: digestOf(config), digest: digestOf(manifest), manifest, mediaType, config, diffIds, blobs };
}

/** Builds an image and puts it in a registry, under a tag unless that is undefined. */
export function publishImage(
  registry: MemoryRegistry,
  repository: string,
  tag: string | undefined,
  image: SampleImage,
): BuiltImage {
  const built = buildImage(image);
  registry.addBlob(repository, built.config);
  for (const { bytes } of built.blobs) registry.addBlob(repository, bytes);
  registry.addManifest(repository, tag, built.manifest, built.mediaType);
  return built;
}

/** Puts an index of images of the repository in a registry. */
export function publishIndex(
  registry: MemoryRegistry,
  repository: string,
  tag: string | undefined,
  entries: readonly {
    readonly digest: Digest;
    readonly size: number;
    readonly platform?: string;
    readonly mediaType?: string;
  }[],
): Digest {
  const manifests = entries.map(({ digest, size, platform, mediaType = MEDIA_TYPE.ociManifest }) => {
    const [os, architecture, variant] = (platform ?? "").split("/");
    return {
      mediaType,
      digest,
      size,
      ...(platform === undefined ? {} : { platform: { os, architecture, ...(variant && { variant }) } }),
    };
  });
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }));
  return registry.addManifest(repository, tag, bytes, MEDIA_TYPE.ociIndex);
}
