import { createHash } from "node:crypto";
import { PlyError } from "../error.ts";

/** `algorithm:hex` of some bytes (OCI image-spec, descriptor.md#digests). Always well formed: made by {@link parseDigest}. */
export type Digest = string & { readonly __brand: "Digest" };

/** The digest of a layer's *uncompressed* tar (OCI image-spec, config.md#layer-diffid). */
export type DiffId = Digest & { readonly __diffId: true };

/** The identity of a stack of layers (OCI image-spec, config.md#layer-chainid). */
export type ChainId = Digest & { readonly __chainId: true };

/** The digest of an image's config blob: what Docker calls the image ID. */
export type ImageId = Digest & { readonly __imageId: true };

export type DigestAlgorithm = "sha256" | "sha512";

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** Parses `sha256:…` or `sha512:…`; throws "invalid" naming the part that failed. */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(":");
  if (colon <= 0)
    throw new PlyError("invalid", `invalid digest ${JSON.stringify(text)}: no algorithm before ':'`);
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  if (algorithm !== "sha256" && algorithm !== "sha512")
    throw new PlyError("unsupported", `unsupported digest algorithm ${JSON.stringify(algorithm)}`, {
      hint: "sha256 and sha512 are supported",
    });
  if (hex.length !== HEX_LENGTH[algorithm])
    throw new PlyError(
      "invalid",
      `invalid digest ${JSON.stringify(text)}: ${hex.length} hex digits, not ${HEX_LENGTH[algorithm]}`,
    );
  if (!/^[0-9a-f]+$/.test(hex))
    throw new PlyError("invalid", `invalid digest ${JSON.stringify(text)}: not lower-case hex`);
  return text as Digest;
}

/** Of uncompressed bytes. Throws "invalid". */
export function parseDiffId(text: string): DiffId {
  return parseDigest(text) as DiffId;
}

/** Of an image's config. Throws "invalid". */
export function parseImageId(text: string): ImageId {
  return parseDigest(text) as ImageId;
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hex part, which is also the blob's file name. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** The digest of these bytes. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as Digest;
}

/** The chain identities of a stack of layers, bottom to top: one per layer. */
export function chainIdsOf(diffIds: readonly DiffId[]): ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push((parent === undefined ? diffId : digestOf(`${parent} ${diffId}`)) as Digest as ChainId);
  }
  return chain;
}
