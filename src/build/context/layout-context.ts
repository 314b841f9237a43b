import { isPlyError, PlyError } from "../../error.ts";
import type { Images } from "../../image/index.ts";
import { lookup } from "../../layer/index.ts";
import {
  ANNOTATION,
  type Descriptor,
  type Digest,
  digestOf,
  type ImageId,
  type Platform,
  parseManifest,
  selectManifest,
} from "../../oci/index.ts";
import type { FileTree } from "./file-tree.ts";
import { blobPath, type LayoutBlob, layoutArchive } from "./layout-archive.ts";

const USUAL_TAG = "latest";
/** Far above any manifest or config. */
const DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * The image that an OCI layout holds under a tag or a digest ("": `latest`, or the only one), brought into the store when
 * it is not there. It has no name there. Throws "not-found" or "corrupt".
 */
export async function imageOfLayout(
  images: Pick<Images, "resolve" | "load">,
  layout: FileTree,
  {
    reference,
    platform,
    signal,
  }: { readonly reference: string; readonly platform: Platform; readonly signal: AbortSignal },
): Promise<ImageId> {
  const top = parsed(layout, "index.json");
  if (top.kind !== "index") throw new PlyError("corrupt", "index.json of the OCI layout is no index");
  let chosen = choose(top.index.manifests, reference);
  let found = parsed(layout, blobPath(chosen.digest));
  if (found.kind === "index") {
    chosen = selectManifest(found.index, platform);
    found = parsed(layout, blobPath(chosen.digest));
  }
  if (found.kind !== "image") throw new PlyError("corrupt", `${chosen.digest} of the OCI layout is no image`);
  const { manifest } = found;
  // An image's id is the digest of its config.
  const id = manifest.config.digest as string as ImageId;
  try {
    images.resolve(id);
    return id;
  } catch (error) {
    if (!isPlyError(error, "not-found")) throw error;
  }
  const blobs = [chosen.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)];
  await images.load(
    layoutArchive(
      chosen,
      blobs.map((digest) => blobOf(layout, digest)),
    ),
    { signal },
  );
  return id;
}

/** By tag, by digest, or the one there is. */
function choose(manifests: readonly Descriptor[], reference: string): Descriptor {
  const tagOf = ({ annotations }: Descriptor) => annotations?.[ANNOTATION.refName]?.split(":").at(-1);
  const named = manifests.find(
    (each) => each.digest === reference || tagOf(each) === (reference || USUAL_TAG),
  );
  const [first] = manifests;
  const found = named ?? (reference === "" && manifests.length === 1 ? first : undefined);
  if (found !== undefined) return found;
  const tags = manifests.map((each) => tagOf(each) ?? each.digest).join(", ");
  throw new PlyError("not-found", `the OCI layout has no ${reference || USUAL_TAG}`, {
    hint: tags === "" ? "it is empty" : `it has ${tags}`,
  });
}

function parsed(layout: FileTree, path: string) {
  const bytes = Buffer.concat([...contentOf(layout, path)]);
  if (path !== "index.json" && blobPath(digestOf(bytes)) !== path)
    throw new PlyError("corrupt", `${path} of the OCI layout is not what its name says`);
  return parseManifest(bytes);
}

function blobOf(layout: FileTree, digest: Digest): LayoutBlob {
  const path = blobPath(digest);
  const node = fileAt(layout, path);
  return {
    digest,
    size: node.size,
    *read() {
      for (const bytes of layout.read(path, node)) yield Buffer.from(bytes);
    },
  };
}

function fileAt(layout: FileTree, path: string) {
  const node = lookup(layout.root, path);
  if (node?.type !== "file") throw new PlyError("not-found", `the OCI layout has no ${path}`);
  return node;
}

function* contentOf(layout: FileTree, path: string): Generator<Buffer> {
  const node = fileAt(layout, path);
  if (node.size > DOCUMENT_BYTES) throw new PlyError("limit", `${path} of the OCI layout is too large`);
  for (const bytes of layout.read(path, node)) yield Buffer.from(bytes);
}
