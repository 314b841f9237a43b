import { isDeepStrictEqual } from "node:util";
import { PlyError } from "../error.ts";
import {
  canonicalName,
  canonicalString,
  type Descriptor,
  familiarName,
  familiarString,
  MEDIA_TYPE,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
} from "../oci/index.ts";
import type { FetchedManifest } from "../registry/index.ts";
import type { ImageRecord } from "../store/index.ts";
import { type Annotations, manifestOver } from "./compose.ts";
import { registryHome } from "./content-home.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { TransferOptions } from "./images.ts";
import { compressionOf, type Family, type LayerCandidate, layerType, pathsAt } from "./layer-form.ts";
import { allOrNone, openLimiter } from "./limiter.ts";
import { type OwnManifest, ownManifests } from "./own-manifests.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import type { LayerForm } from "./publication.ts";
import { once, type PushTarget, pushLayer } from "./push-layer.ts";
import { requestOf } from "./request.ts";
import { pushError } from "./transfer-errors.ts";

/** Images whose manifests are asked where else at the target's registry a layer is. */
const MAX_RELATED_IMAGES = 16;

export interface PushedImage {
  readonly digest: string;
  /** Bytes of the manifest. */
  readonly size: number;
  readonly tag: string;
}

/**
 * Pushes an image under the name it has here. Where the target has, or can be given, every blob of a manifest the image
 * came with, that very manifest is pushed, so that its digest stays. Throws not-found when no image has the name.
 */
export async function pushImage(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions = {},
): Promise<PushedImage> {
  if (reference.digest !== undefined) throw new PlyError("invalid", "cannot push a digest reference");
  const named = withDefaultTag(reference);
  if (context.store.images.findByName(canonicalString(named)) === undefined)
    throw new PlyError("not-found", `An image does not exist locally with the tag: ${familiarName(named)}`);
  transfer.onProgress?.({ kind: "message", text: `The push refers to repository [${canonicalName(named)}]` });
  return await pushOne(context, named, transfer);
}

/** Pushes every tag that a repository has here, one after the other: what the first sends, the next find there. */
export async function pushAllTags(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions = {},
): Promise<PushedImage[]> {
  const repository = repositoryOf(reference);
  const prefix = `${canonicalName(repository)}:`;
  const names = context.store.images
    .list()
    .flatMap((record) => record.names)
    .filter((name) => name.startsWith(prefix))
    .sort();
  if (names.length === 0)
    throw new PlyError(
      "not-found",
      `An image does not exist locally with the tag: ${familiarName(repository)}`,
    );
  transfer.onProgress?.({
    kind: "message",
    text: `The push refers to repository [${canonicalName(repository)}]`,
  });
  const pushed: PushedImage[] = [];
  for (const name of names) pushed.push(await pushOne(context, parseReference(name), transfer));
  return pushed;
}

async function pushOne(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions,
): Promise<PushedImage> {
  const record = context.store.images.findByName(canonicalString(reference));
  if (record === undefined)
    throw new PlyError(
      "not-found",
      `An image does not exist locally with the tag: ${familiarName(reference)}`,
    );
  if (transfer.platform !== undefined && !fitsPlatform(transfer.platform, platformOf(record)))
    throw new PlyError(
      "not-found",
      wrongPlatform(familiarString(reference), platformOf(record), transfer.platform),
    );
  const claimed = context.owners.claim(`push:${canonicalString(reference)}`);
  try {
    // Whatever happens to its names meanwhile, the content stays until it is sent.
    context.store.leases.addImage(claimed.lease, record.id);
    for (const diffId of record.diffIds) context.store.leases.addLayer(claimed.lease, diffId);
    const fetched = await pushContent(context, record, { reference, transfer });
    await context.store.blobs.put(fetched.bytes, claimed.lease);
    if (context.store.images.get(record.id) !== undefined)
      context.store.images.addRepoDigest(
        `${canonicalName(reference)}@${fetched.digest}`,
        record.id,
        fetched.digest,
      );
    const tag = reference.tag ?? "";
    transfer.onProgress?.({
      kind: "message",
      text: `${tag}: digest: ${fetched.digest} size: ${fetched.bytes.length}`,
    });
    await emitImageEvent(context, "push", {
      id: familiarString(reference),
      name: familiarName(reference),
      image: record,
    });
    return { digest: fetched.digest, size: fetched.bytes.length, tag };
  } catch (error) {
    throw pushError(error, reference);
  } finally {
    claimed.end();
    // Removed while it was sent: the lease alone kept it.
    if (context.store.images.get(record.id) === undefined) await context.store.collectGarbage();
  }
}

/** What is pushed of an image: it need not be in the list of images. */
type PushedContent = Pick<ImageRecord, "id" | "diffIds" | "repoDigests" | "manifests">;

export interface PushTo {
  /** Without a tag the manifest is known by its digest alone. */
  readonly reference: Reference;
  readonly transfer: TransferOptions;
  /** Of the manifest; absent: what the image came with, or was built with. */
  readonly annotations?: Annotations | undefined;
  readonly form?: LayerForm | undefined;
}

/** Pushes config, layers and manifest. The caller keeps them in the store meanwhile. */
export async function pushContent(
  context: ImageContext,
  record: PushedContent,
  { reference, transfer, form, ...asked }: PushTo,
): Promise<FetchedManifest> {
  const manifests = await ownManifests(context, record, reference.domain);
  const made = manifests.find((own) => isMadeHere(record, own));
  const annotations = asked.annotations ?? made?.manifest.annotations;
  const own = manifests.filter((each) => !isMadeHere(record, each));
  const isOciOnly = annotations !== undefined || form?.compression === "zstd";
  const isDocker = !isOciOnly && own[0]?.mediaType === MEDIA_TYPE.dockerManifest;
  const family: Family = isDocker ? "docker" : "oci";
  const claims = [
    ...(form?.compression === "none" ? plainClaims(context, record, family) : []),
    ...claimsOf(record, own, { domain: reference.domain, family }),
    ...(await relatedClaims(context, record, { domain: reference.domain, family })),
  ];
  const limiter = openLimiter(context.limits.pushesAtOnce);
  const home = registryHome(context.registry, reference);
  const config = await context.configs.bytes(record.id);
  const distinct = [...new Set(record.diffIds)];
  const layers = await allOrNone<Descriptor | "config">(
    [
      async (signal) => {
        const blob = { digest: record.id, size: config.length };
        await context.registry.pushBlob(
          reference,
          blob,
          () => once(config),
          requestOf({ ...transfer, signal }),
        );
        return "config";
      },
      ...distinct.map((diffId) => (signal: AbortSignal) => {
        const target: PushTarget = {
          home,
          family,
          transfer,
          signal,
          ...(form === undefined ? {} : targetForm(form)),
        };
        const claimed = claims.filter((claim) => claim.diffId === diffId);
        return limiter.run(() => pushLayer(context, { diffId, claimed }, target), signal);
      }),
    ],
    transfer.signal,
  );
  const byDiffId = new Map(distinct.map((diffId, index) => [diffId, layers[index + 1]]));
  const descriptors = record.diffIds.map((diffId) => {
    const descriptor = byDiffId.get(diffId);
    if (descriptor === undefined || descriptor === "config")
      throw new PlyError("internal", "a layer was not pushed");
    return descriptor;
  });
  const manifest =
    own.find(
      ({ manifest: { layers: known, annotations: own } }) =>
        known.every((layer, index) => layer.digest === descriptors[index]?.digest) &&
        (annotations === undefined || isDeepStrictEqual(own ?? {}, annotations)),
    ) ??
    // OCI 1.1, which every registry of today takes and which knows zstd layers; an image that came as Docker's schema 2 stays
    // that, since its users' tools may know nothing else.
    manifestOver(record, {
      config: config.length,
      descriptors,
      family,
      annotations: annotations ?? own[0]?.manifest.annotations,
    });
  const fetched = { bytes: manifest.bytes, mediaType: manifest.mediaType, digest: manifest.digest };
  await context.registry.pushManifest(reference, fetched, requestOf(transfer));
  return fetched;
}

function targetForm({
  compression,
  level,
  force = false,
}: LayerForm): Pick<PushTarget, "compression" | "level" | "isCompressionForced"> {
  return { compression, isCompressionForced: force, ...(level === undefined ? {} : { level }) };
}

/** A manifest over plain tars that no registry is known to have: it only says with what annotations the image was built. */
function isMadeHere({ diffIds, repoDigests }: PushedContent, { digest, manifest }: OwnManifest): boolean {
  return (
    manifest.layers.every((layer, index) => layer.digest === diffIds[index]) &&
    !repoDigests.some((name) => name.endsWith(`@${digest}`))
  );
}

/** Every layer as the tar that it is. */
function plainClaims(context: ImageContext, { diffIds }: PushedContent, family: Family): LayerCandidate[] {
  const mediaType = layerType(family, "none");
  return diffIds.flatMap((diffId) => {
    const size = context.store.layers.get(diffId)?.tarSize;
    if (size === undefined || mediaType === undefined) return [];
    return [{ diffId, descriptor: { mediaType, digest: diffId, size }, repositories: [], verified: true }];
  });
}

/** What an image's manifests say of its layers. The repositories they came from have them. */
function claimsOf(
  record: PushedContent,
  manifests: readonly OwnManifest[],
  target: { readonly domain: string; readonly family: Family },
): LayerCandidate[] {
  const repositories = pathsAt(
    target.domain,
    record.repoDigests.map((name) => name.slice(0, name.indexOf("@"))),
  );
  return manifests.flatMap(({ manifest }) =>
    manifest.layers.flatMap((descriptor, index) => {
      const diffId = record.diffIds[index];
      const compression = compressionOf(descriptor.mediaType);
      const mediaType = compression === undefined ? undefined : layerType(target.family, compression);
      // A type we do not know stays as it is: it came in a manifest of this family.
      if (diffId === undefined || (compression !== undefined && mediaType === undefined)) return [];
      const isForeign = (descriptor.urls ?? []).length > 0;
      const { mediaType: own, ...rest } = descriptor;
      return [
        {
          diffId,
          descriptor: { mediaType: isForeign ? own : (mediaType ?? own), ...rest },
          repositories,
          verified: false,
        },
      ];
    }),
  );
}

/** What other images here that share a layer, and that a repository of the target's registry has, say of it. */
async function relatedClaims(
  context: ImageContext,
  record: PushedContent,
  target: { readonly domain: string; readonly family: Family },
): Promise<LayerCandidate[]> {
  const wanted = new Set(record.diffIds);
  const related = context.store.images
    .list()
    .filter(
      (other) =>
        other.id !== record.id &&
        other.repoDigests.some((name) => name.startsWith(`${target.domain}/`)) &&
        other.diffIds.some((diffId) => wanted.has(diffId)),
    )
    .slice(0, MAX_RELATED_IMAGES);
  const claims: LayerCandidate[] = [];
  for (const other of related)
    claims.push(
      ...claimsOf(other, await ownManifests(context, other, target.domain), target).filter(
        ({ diffId, descriptor }) => wanted.has(diffId) && (descriptor.urls ?? []).length === 0,
      ),
    );
  return claims;
}
