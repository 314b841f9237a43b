import { PlyError } from "../error.ts";
import { canonicalName, type Descriptor, type Reference, repositoryOf } from "../oci/index.ts";
import type { FetchedManifest } from "../registry/index.ts";
import { descriptorOf, indexOver } from "./compose.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { PublishOptions, TransferOptions } from "./images.ts";
import { attestationsOf, entryOf, isIndex, type Publication, type PublishedImage } from "./publication.ts";
import { pushContent } from "./push.ts";
import { once } from "./push-layer.ts";
import { requestOf } from "./request.ts";
import { pushError } from "./transfer-errors.ts";

/** Pushes a publication under each of its names; the last one's manifest or index. Throws "invalid" without a name. */
export async function pushPublication(
  context: ImageContext,
  publication: Publication,
  { credentialsOf, byDigest = false, ...options }: PublishOptions,
): Promise<Descriptor> {
  let pushed: Descriptor | undefined;
  for (const reference of publication.names) {
    const credentials = await credentialsOf?.(reference.domain);
    const transfer = { ...options, ...(credentials === undefined ? {} : { credentials }) };
    try {
      const target = byDigest ? repositoryOf(reference) : reference;
      pushed = descriptorOf(await pushTo(context, publication, target, transfer));
    } catch (error) {
      throw pushError(error, reference);
    }
    options.onProgress?.({
      kind: "message",
      text: `${reference.tag ?? ""}: digest: ${pushed.digest} size: ${pushed.size}`,
    });
  }
  if (pushed === undefined) throw new PlyError("invalid", "tag is needed when pushing to registry");
  return pushed;
}

async function pushTo(
  context: ImageContext,
  publication: Publication,
  reference: Reference,
  transfer: TransferOptions,
): Promise<FetchedManifest> {
  transfer.onProgress?.({
    kind: "message",
    text: `The push refers to repository [${canonicalName(reference)}]`,
  });
  const [first] = publication.images;
  if (first !== undefined && !isIndex(publication))
    return await pushImageOf(context, publication, { image: first, reference, transfer });
  const entries: Descriptor[] = [];
  for (const [n, image] of publication.images.entries()) {
    const target = { image, reference: repositoryOf(reference), transfer };
    entries.push(entryOf(publication, n, descriptorOf(await pushImageOf(context, publication, target))));
  }
  for (const { manifest, descriptor, blobs } of attestationsOf(publication, entries)) {
    const repository = repositoryOf(reference);
    for (const { digest, bytes } of blobs)
      await context.registry.pushBlob(
        repository,
        { digest, size: bytes.length },
        () => once(bytes),
        requestOf(transfer),
      );
    await context.registry.pushManifest(repository, manifest, requestOf(transfer));
    entries.push(descriptor);
  }
  const index = indexOver(entries, publication.indexAnnotations);
  await context.registry.pushManifest(reference, index, requestOf(transfer));
  return index;
}

async function pushImageOf(
  context: ImageContext,
  { form }: Publication,
  target: {
    readonly image: PublishedImage;
    readonly reference: Reference;
    readonly transfer: TransferOptions;
  },
): Promise<FetchedManifest> {
  const { image, reference, transfer } = target;
  const { content, annotations } = image;
  const record = context.store.images.get(content.id);
  const fetched = await pushContent(context, record ?? { ...content, repoDigests: [], manifests: [] }, {
    reference,
    transfer,
    annotations,
    form,
  });
  if (record === undefined) return fetched;
  const name = canonicalName(reference);
  const claimed = context.owners.claim(`push:${name}`);
  try {
    await context.store.blobs.put(fetched.bytes, claimed.lease);
    context.store.images.addRepoDigest(`${name}@${fetched.digest}`, record.id, fetched.digest);
  } finally {
    claimed.end();
  }
  await emitImageEvent(context, "push", { id: record.id, name, image: record });
  return fetched;
}
