import { type Deflater, gzipStream, zstdStream } from "../compress/index.ts";
import { type Descriptor, type DiffId, MEDIA_TYPE } from "../oci/index.ts";
import type { CompressedForm } from "../store/index.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Whose media types a manifest uses. */
export type Family = "oci" | "docker";

/** What a layer's media type says of its compression; undefined for one that says nothing known. */
export function compressionOf(mediaType: string): Compression | undefined {
  if (/[+.]gzip$/.test(mediaType)) return "gzip";
  if (/[+.]zstd$/.test(mediaType)) return "zstd";
  return /\.tar$/.test(mediaType) ? "none" : undefined;
}

/** A tar in this form; by one deflater always the same bytes. */
export function compressed(
  tar: AsyncIterable<Uint8Array>,
  {
    compression,
    level,
    deflater,
  }: { readonly compression: Compression; readonly level: number | undefined; readonly deflater: Deflater },
): AsyncIterable<Uint8Array> {
  const options = level === undefined ? {} : { level };
  if (compression === "none") return tar;
  return compression === "zstd" ? zstdStream(tar, options) : gzipStream(tar, { ...options, deflater });
}

/** The media type of a layer in a manifest of this family; Docker's has none for zstd. */
export function layerType(family: Family, compression: Compression): string | undefined {
  if (family === "oci")
    return { none: MEDIA_TYPE.ociLayer, gzip: MEDIA_TYPE.ociLayerGzip, zstd: MEDIA_TYPE.ociLayerZstd }[
      compression
    ];
  return compression === "zstd"
    ? undefined
    : { none: MEDIA_TYPE.dockerLayer, gzip: MEDIA_TYPE.dockerLayerGzip }[compression];
}

/** True for a layer that may not be pushed: it is fetched from its `urls` (OCI image-spec, layer.md#non-distributable-layers). */
export function isForeign(descriptor: Descriptor): boolean {
  return (descriptor.urls ?? []).length > 0 && /\.foreign\.|\.nondistributable\./.test(descriptor.mediaType);
}

/** A compressed form of a layer that a push may use, and who is known to have it. */
export interface LayerCandidate {
  readonly diffId: DiffId;
  readonly descriptor: Descriptor;
  /** Paths of repositories of the target's registry. */
  readonly repositories: readonly string[];
  /** Computed here from the layer itself, not taken from what somebody's manifest says. */
  readonly verified: boolean;
}

/** The forms as candidates of one family at one registry; plain tars are left out: nobody wants to send those. */
export function candidatesOf(
  forms: readonly CompressedForm[],
  target: { readonly domain: string; readonly family: Family },
): LayerCandidate[] {
  return forms.flatMap((form) => {
    const compression = compressionOf(form.mediaType);
    if (compression === undefined || compression === "none") return [];
    const mediaType = layerType(target.family, compression);
    if (mediaType === undefined) return [];
    return [
      {
        diffId: form.diffId,
        descriptor: { mediaType, digest: form.digest, size: form.size },
        repositories: pathsAt(target.domain, form.repositories),
        verified: true,
      },
    ];
  });
}

/** The paths of those repositories that are at one registry. */
export function pathsAt(domain: string, repositories: readonly string[]): string[] {
  const prefix = `${domain}/`;
  return repositories.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
