import { type LayoutBlob, layoutArchive } from "../../../build/index.ts";
import type { Engine } from "../../../engine.ts";
import { isPlyError, PlyError } from "../../../error.ts";
import {
  type Descriptor,
  type Digest,
  digestOf,
  hostPlatform,
  type ImageId,
  type Platform,
  parseDigest,
  parseManifest,
  selectManifest,
} from "../../../oci/index.ts";
import type { BuildkitSession } from "../session/session.ts";

/** Far above any manifest. */
const DOCUMENT_BYTES = 16 * 1024 * 1024;

interface Lender {
  readonly engine: Engine;
  readonly session: BuildkitSession;
  readonly signal: AbortSignal;
}

/**
 * The image of an OCI layout that the client lends as a content store, `STORE[:TAG]@DIGEST`, brought into the list without a name
 * where it is not there. Throws "invalid", "corrupt", "not-found".
 */
export async function imageOfStore(
  lender: Lender,
  layout: string,
  platform: Platform = hostPlatform(),
): Promise<ImageId> {
  const { engine, session, signal } = lender;
  const [, name, text = ""] = /^([^:@]+)(?::[^@]*)?@(.+)$/.exec(layout) ?? [];
  if (name === undefined)
    throw new PlyError("invalid", `oci-layout reference ${JSON.stringify(layout)} has no digest`);
  const store = `oci:${name}`;
  let chosen = await document(lender, store, parseDigest(text));
  let found = parseManifest(chosen.bytes);
  if (found.kind === "index") {
    chosen = await document(lender, store, selectManifest(found.index, platform).digest);
    found = parseManifest(chosen.bytes);
  }
  const { bytes, digest } = chosen;
  if (found.kind !== "image") throw new PlyError("corrupt", `${digest} of the OCI layout is no image`);
  const { manifest, mediaType } = found;
  // An image's id is the digest of its config.
  const id = manifest.config.digest as string as ImageId;
  if (isHere(engine, id)) return id;
  const blobOf = ({ digest: of, size }: Descriptor): LayoutBlob => ({
    digest: of,
    size,
    read: () => exactly(session.content(store, of, { signal }), size),
  });
  const blobs: LayoutBlob[] = [
    { digest, size: bytes.length, read: () => [bytes] },
    ...[manifest.config, ...manifest.layers].map(blobOf),
  ];
  await engine.images.load(layoutArchive({ mediaType, digest, size: bytes.length }, blobs), { signal });
  return id;
}

function isHere({ images }: Engine, id: ImageId): boolean {
  try {
    images.resolve(id);
    return true;
  } catch (error) {
    if (isPlyError(error, "not-found")) return false;
    throw error;
  }
}

async function document({ session, signal }: Lender, store: string, digest: Digest) {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of session.content(store, digest, { signal })) {
    length += chunk.length;
    if (length > DOCUMENT_BYTES) throw new PlyError("limit", `${digest} of the OCI layout is too large`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (digestOf(bytes) !== digest)
    throw new PlyError("corrupt", `${digest} of the OCI layout is not what its name says`);
  return { digest, bytes };
}

/** An archive needs as many bytes as it says. */
async function* exactly(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array, void> {
  let left = size;
  for await (const chunk of content) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) throw new PlyError("corrupt", "a blob of the OCI layout is not as long as it should be");
}
