import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

export type Packing = "none" | "gzip" | "zstd";

export interface LayoutLayer {
  readonly tar: Uint8Array;
  readonly packing?: Packing;
  /** Raw blob to store instead of the packed tar (for hostile images); its true digest is used. */
  readonly blob?: Uint8Array;
  /** Lies, for hostile images. */
  readonly digest?: string;
  readonly size?: number;
  readonly diffId?: string;
  readonly mediaType?: string;
}

export interface LayoutImage {
  readonly tag: string;
  readonly layers: readonly LayoutLayer[];
  readonly config?: Readonly<Record<string, unknown>>;
  readonly docker?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface WrittenImage {
  readonly tag: string;
  readonly manifestDigest: string;
  readonly imageId: string;
  readonly layers: readonly { readonly digest: string; readonly diffId: string; readonly size: number }[];
}

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const MEDIA: Readonly<Record<Packing, readonly [oci: string, docker: string]>> = {
  none: ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"],
  gzip: ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"],
  zstd: ["application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+zstd"],
};

function pack(tar: Uint8Array, packing: Packing): Uint8Array {
  if (packing === "gzip") return gzipSync(tar);
  return packing === "zstd" ? zstdCompressSync(tar) : tar;
}

/** Writes an OCI layout directory that skopeo can copy from (`oci:DIR:TAG`). */
export function writeOciLayout(directory: string, images: readonly LayoutImage[]): WrittenImage[] {
  const blobs = join(directory, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Uint8Array): { digest: string; size: number } => {
    const digest = sha256(bytes);
    writeFileSync(join(blobs, digest.slice("sha256:".length)), bytes);
    return { digest, size: bytes.length };
  };
  const written: WrittenImage[] = [];
  const manifests = images.map((image) => {
    const style = image.docker ? 1 : 0;
    const layers = image.layers.map((layer) => {
      const blob = put(layer.blob ?? pack(layer.tar, layer.packing ?? "gzip"));
      return {
        descriptor: {
          mediaType: layer.mediaType ?? MEDIA[layer.packing ?? "gzip"][style],
          digest: layer.digest ?? blob.digest,
          size: layer.size ?? blob.size,
        },
        diffId: layer.diffId ?? sha256(layer.tar),
      };
    });
    const config = put(
      Buffer.from(
        JSON.stringify({
          created: "2026-01-02T03:04:05Z",
          architecture: process.arch === "arm64" ? "arm64" : "amd64",
          os: "linux",
          config: { Cmd: ["/bin/sh"], Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
          ...image.config,
          rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
          history: layers.map((_, index) => ({
            created: "2026-01-02T03:04:05Z",
            created_by: `layer ${index}`,
          })),
        }),
      ),
    );
    const mediaType = image.docker
      ? "application/vnd.docker.distribution.manifest.v2+json"
      : "application/vnd.oci.image.manifest.v1+json";
    const manifest = put(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType,
          config: {
            mediaType: image.docker
              ? "application/vnd.docker.container.image.v1+json"
              : "application/vnd.oci.image.config.v1+json",
            ...config,
          },
          layers: layers.map((layer) => layer.descriptor),
          ...(image.annotations === undefined ? {} : { annotations: image.annotations }),
        }),
      ),
    );
    written.push({
      tag: image.tag,
      manifestDigest: manifest.digest,
      imageId: config.digest,
      layers: layers.map(({ descriptor, diffId }) => ({
        digest: descriptor.digest,
        diffId,
        size: descriptor.size,
      })),
    });
    return { mediaType, ...manifest, annotations: { "org.opencontainers.image.ref.name": image.tag } };
  });
  writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
  return written;
}

/** One image of a layout as skopeo's `dir:DIRECTORY`, which takes Docker's media types where `oci:` does not. */
export function writeSkopeoDirectory(directory: string, layout: string, image: WrittenImage): void {
  mkdirSync(directory, { recursive: true });
  const blob = (digest: string): string => join(layout, "blobs/sha256", digest.slice("sha256:".length));
  for (const digest of [image.imageId, ...image.layers.map((layer) => layer.digest)])
    copyFileSync(blob(digest), join(directory, digest.slice("sha256:".length)));
  copyFileSync(blob(image.manifestDigest), join(directory, "manifest.json"));
  writeFileSync(join(directory, "version"), "Directory Transport Version: 1.1\n");
}
