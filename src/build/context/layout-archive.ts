import { type Descriptor, type Digest, encodeJson, hexOf, IMAGE_LAYOUT } from "../../oci/index.ts";
import { TAR_END, tarHeader, tarPadding } from "../../tar/index.ts";

/** A blob on its way into an archive. */
export interface LayoutBlob {
  readonly digest: Digest;
  readonly size: number;
  read(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** An OCI layout of one image as an archive, under no name; each blob is read when it is its turn. */
export async function* layoutArchive(
  { mediaType, digest, size }: Pick<Descriptor, "mediaType" | "digest" | "size">,
  blobs: readonly LayoutBlob[],
): AsyncGenerator<Uint8Array> {
  const documents = {
    "oci-layout": IMAGE_LAYOUT,
    "index.json": { schemaVersion: 2, manifests: [{ mediaType, digest, size }] },
  };
  for (const [path, value] of Object.entries(documents)) {
    const bytes = encodeJson(value);
    yield tarHeader({ path, type: "file", mode: 0o644, size: bytes.length });
    yield bytes;
    yield tarPadding(bytes.length);
  }
  for (const blob of new Map(blobs.map((each) => [each.digest, each])).values()) {
    yield tarHeader({ path: blobPath(blob.digest), type: "file", mode: 0o644, size: blob.size });
    yield* blob.read();
    yield tarPadding(blob.size);
  }
  yield TAR_END;
}

/** Where a blob lies in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}
