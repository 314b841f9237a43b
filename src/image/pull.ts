import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import {
  canonicalName,
  canonicalString,
  type Descriptor,
  type Digest,
  familiarName,
  familiarString,
  type ImageConfig,
  type ImageId,
  parseImageConfig,
  type Reference,
  repositoryOf,
  withDefaultTag,
  withTag,
} from "../oci/index.ts";
import type { RequestOptions } from "../registry/index.ts";
import type { ImageRecord, Lease } from "../store/index.ts";
import { builtAtOf } from "./build-time.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { PulledImage, TransferOptions } from "./images.ts";
import { allOrNone, type Limiter, openLimiter } from "./limiter.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import { pairLayers, pullLayers } from "./pull-layers.ts";
import { openPullReport, type PullReport } from "./pull-progress.ts";
import { requestOf } from "./request.ts";
import { type ResolvedManifest, resolveManifest } from "./resolve-manifest.ts";
import { materializeStack } from "./stack.ts";
import { pullError } from "./transfer-errors.ts";

/** Failures after which another try may go on from what is here. */
const RETRYABLE = new Set(["cancelled", "unavailable"]);

interface Pulling {
  readonly context: ImageContext;
  readonly transfer: TransferOptions;
  readonly report: PullReport;
  readonly limiter: Limiter;
}

/**
 * Pulls what a name stands for, for one platform. Nothing is visible until everything is here and verified.
 * An interrupted pull (cancelled, line cut, engine killed) leaves its finished layers for a day to the next one.
 */
export async function pullImage(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions = {},
): Promise<PulledImage> {
  return await pullOne(
    {
      context,
      transfer,
      report: openPullReport(transfer.onProgress, context.clock),
      limiter: openLimiter(context.limits.layersAtOnce),
    },
    withDefaultTag(reference),
  );
}

/** Pulls every tag of a repository, several at once; artifacts among them are passed over with a message. */
export async function pullAllTags(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions = {},
): Promise<PulledImage[]> {
  const pulling: Pulling = {
    context,
    transfer,
    report: openPullReport(transfer.onProgress, context.clock),
    limiter: openLimiter(context.limits.layersAtOnce),
  };
  const repository = repositoryOf(reference);
  let tags: string[];
  try {
    tags = await context.registry.tags(repository, requestOf(transfer));
  } catch (error) {
    throw pullError(error, repository);
  }
  if (tags.length === 0) throw new PlyError("not-found", `${familiarName(repository)} has no tags`);
  const places = openLimiter(context.limits.tagsAtOnce);
  const pulled = await allOrNone(
    tags.map(
      (tag) => (signal: AbortSignal) =>
        places.run(async () => {
          try {
            const own = { ...pulling, transfer: { ...transfer, signal } };
            return { ...(await pullOne(own, withTag(repository, tag))), tag };
          } catch (error) {
            if (!isPlyError(error, "unsupported")) throw error;
            pulling.report.message(`Skipped ${tag}: ${error.message}`);
            return undefined;
          }
        }, signal),
    ),
    transfer.signal,
  );
  return pulled.filter((image) => image !== undefined);
}

async function pullOne(pulling: Pulling, reference: Reference): Promise<PulledImage> {
  const { context, transfer, report } = pulling;
  throwIfAborted(transfer.signal);
  report.message(`Pulling from ${reference.path}`, reference.digest ?? reference.tag ?? "");
  try {
    const current = await findUpToDate(context, reference, transfer);
    if (current !== undefined) context.owners.settle(`pull:${canonicalString(reference)}`);
    const pulled = current ?? (await pullChanged(pulling, reference));
    report.message(`Digest: ${pulled.digest}`);
    report.message(
      pulled.changed
        ? `Status: Downloaded newer image for ${familiarString(reference)}`
        : `Status: Image is up to date for ${familiarString(reference)}`,
    );
    const image = context.store.images.get(pulled.id);
    await emitImageEvent(context, "pull", {
      id: familiarString(reference),
      name: familiarName(reference),
      ...(image === undefined ? {} : { image }),
    });
    return pulled;
  } catch (error) {
    throw pullError(error, reference);
  }
}

/** The image here, when the registry's name still stands for it: one HEAD, no blob touched. */
async function findUpToDate(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions,
): Promise<PulledImage | undefined> {
  const record = isComplete(context, context.store.images.findByName(localName(reference)));
  const wanted = transfer.platform ?? context.platform;
  if (record === undefined || !fitsPlatform(wanted, platformOf(record))) return undefined;
  let digest: Digest | undefined = reference.digest;
  if (digest === undefined)
    digest = (await context.registry.headManifest(reference, requestOf(transfer)))?.digest;
  if (digest === undefined || !record.repoDigests.includes(`${canonicalName(reference)}@${digest}`))
    return undefined;
  return { id: record.id, digest, changed: false };
}

function isComplete(context: ImageContext, record: ImageRecord | undefined): ImageRecord | undefined {
  return record?.diffIds.every((diffId) => context.store.layers.get(diffId) !== undefined)
    ? record
    : undefined;
}

/** What the image is called here: a pull by digest gives no tag. */
function localName(reference: Reference): string {
  return reference.digest === undefined
    ? canonicalString(reference)
    : `${canonicalName(reference)}@${reference.digest}`;
}

async function pullChanged(pulling: Pulling, reference: Reference): Promise<PulledImage> {
  const { context, transfer } = pulling;
  const platform = transfer.platform ?? context.platform;
  const resolved = await resolveManifest(context.registry, reference, { ...requestOf(transfer), platform });
  const claimed = context.owners.claim(`pull:${canonicalString(reference)}`);
  let image: PulledImage;
  try {
    image = await pullContent(pulling, reference, resolved, claimed.lease);
  } catch (error) {
    const retryable = isPlyError(error) && RETRYABLE.has(error.kind);
    if (retryable) claimed.leave();
    else {
      claimed.end();
      await context.store.collectGarbage();
    }
    throw error;
  }
  claimed.end();
  return image;
}

async function pullContent(
  pulling: Pulling,
  reference: Reference,
  resolved: ResolvedManifest,
  lease: Lease,
): Promise<PulledImage> {
  const { context, transfer } = pulling;
  const { manifest } = resolved;
  const name = familiarString(reference);
  const id = manifest.config.digest as ImageId;
  const config = await pullConfig(context, { reference, descriptor: manifest.config, lease, transfer });
  const offered = platformOf(config);
  if (transfer.platform !== undefined && !fitsPlatform(transfer.platform, offered))
    throw new PlyError("not-found", wrongPlatform(name, offered, transfer.platform));
  const layers = pairLayers(manifest, config, name);
  for (const document of resolved.path) await context.store.blobs.put(document.bytes, lease);
  await pullLayers(context, layers, { ...pulling, reference, lease });
  await materializeStack(context, config.rootfs.diff_ids, {
    lease,
    ...(transfer.signal && { signal: transfer.signal }),
  });
  const before = context.store.images.findByName(localName(reference));
  const repoDigest = `${canonicalName(reference)}@${resolved.top.digest}`;
  const isKnown = before?.id === id && before.repoDigests.includes(repoDigest);
  context.store.images.put({
    id,
    diffIds: config.rootfs.diff_ids,
    os: config.os,
    architecture: config.architecture,
    variant: config.variant ?? "",
    builtAt: builtAtOf(config),
    names: reference.digest === undefined && transfer.keepsName !== true ? [localName(reference)] : [],
    repoDigests: [repoDigest],
    manifests: resolved.path.map(({ digest }) => digest),
    lease,
  });
  return { id, digest: resolved.top.digest, changed: !isKnown };
}

async function pullConfig(
  context: ImageContext,
  from: {
    readonly reference: Reference;
    readonly descriptor: Descriptor;
    readonly lease: Lease;
    readonly transfer: TransferOptions;
  },
): Promise<ImageConfig> {
  const { reference, descriptor, lease, transfer } = from;
  const bytes = context.store.blobs.has(descriptor.digest)
    ? await context.store.blobs.get(descriptor.digest)
    : await fetchConfig(context, reference, descriptor, requestOf(transfer));
  const config = parseImageConfig(bytes);
  await context.store.blobs.put(bytes, lease);
  return config;
}

/** Throws "corrupt" where the registry does not have it. */
export async function fetchConfig(
  context: ImageContext,
  reference: Reference,
  descriptor: Descriptor,
  request: RequestOptions,
): Promise<Uint8Array> {
  try {
    return await context.registry.fetchBlob(reference, descriptor, request);
  } catch (error) {
    if (!isPlyError(error, "not-found")) throw error;
    throw new PlyError(
      "corrupt",
      `${familiarString(reference)}: the registry has no blob ${descriptor.digest}, the config that the manifest names`,
      { cause: error },
    );
  }
}
