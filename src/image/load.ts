import { PlyError, throwIfAborted } from "../error.ts";
import {
  canonicalString,
  type DiffId,
  familiarString,
  formatPlatform,
  type Platform,
  type Reference,
} from "../oci/index.ts";
import type { Lease } from "../store/index.ts";
import { type ArchiveContents, readArchive } from "./archive-contents.ts";
import { builtAtOf } from "./build-time.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { Loaded, OnProgress } from "./images.ts";
import { planDockerArchive } from "./load-docker.ts";
import { planOciLayout } from "./load-oci.ts";
import type { LoadPlan } from "./load-plan.ts";
import { fitsPlatform, platformOf } from "./platform-match.ts";
import { materializeStack } from "./stack.ts";

export interface LoadOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
  readonly platform?: Platform;
}

/**
 * Loads every image of an archive (docker-archive or OCI layout, plain, gzip or zstd), read once as it streams by. Images
 * appear only when the whole archive was read and verified; on failure nothing is left.
 */
export async function loadImages(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  options: LoadOptions = {},
): Promise<Loaded[]> {
  throwIfAborted(options.signal);
  const claimed = context.owners.claim(`load:${crypto.randomUUID()}`);
  try {
    const contents = await readArchive(context, archive, { ...options, lease: claimed.lease });
    const plans = planImages(context, contents, { ...options, lease: claimed.lease });
    const loaded: Loaded[] = [];
    for (const plan of plans)
      loaded.push(...(await putPlan(context, plan, { ...options, lease: claimed.lease })));
    return loaded;
  } finally {
    // What no image took, such as other platforms' layers, or all of it after a failure, goes with the lease.
    claimed.end();
    await context.store.collectGarbage();
  }
}

function planImages(
  context: ImageContext,
  contents: ArchiveContents,
  options: LoadOptions & { readonly lease: Lease },
): LoadPlan[] {
  const keep = (diffId: DiffId) => context.store.leases.addLayer(options.lease, diffId);
  const manifest = contents.document("manifest.json");
  const docker = manifest === undefined ? [] : planDockerArchive(context, contents, { manifest, keep });
  if (docker.length > 0) return onlyPlatform(docker, options.platform);
  const index = contents.document("index.json");
  if (index !== undefined) {
    const plans = planOciLayout(
      { context, contents, keep, platform: options.platform ?? context.platform },
      index,
    );
    if (plans.length > 0) return onlyPlatform(plans, options.platform);
  }
  if (manifest !== undefined || index !== undefined)
    throw new PlyError("invalid", "the archive has no images: its list of images is empty");
  if (contents.document("repositories") !== undefined)
    throw new PlyError(
      "unsupported",
      "the archive is in Docker's format of before 2016, which is no longer supported",
      {
        hint: "load it with Docker 1.10 or newer and save it again",
      },
    );
  throw new PlyError("invalid", "not an image archive: it has neither manifest.json nor index.json", {
    hint: "ply import makes an image of a root filesystem's tar",
  });
}

/** What was asked for explicitly; without a wish everything is loaded. */
function onlyPlatform(plans: readonly LoadPlan[], platform: Platform | undefined): LoadPlan[] {
  if (platform === undefined) return [...plans];
  const fitting = plans.filter(({ config }) => fitsPlatform(platform, platformOf(config)));
  if (fitting.length > 0) return fitting;
  const offered = [...new Set(plans.map(({ config }) => formatPlatform(platformOf(config))))].join(", ");
  throw new PlyError(
    "not-found",
    `the archive has no image for ${formatPlatform(platform)}: it has ${offered}`,
  );
}

async function putPlan(
  context: ImageContext,
  plan: LoadPlan,
  options: LoadOptions & { readonly lease: Lease },
): Promise<Loaded[]> {
  const { config } = plan;
  const { lease } = options;
  throwIfAborted(options.signal);
  await context.store.blobs.put(plan.configBytes, lease);
  for (const { bytes } of plan.manifests) await context.store.blobs.put(bytes, lease);
  await materializeStack(context, config.rootfs.diff_ids, {
    lease,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  for (const name of plan.names) tellRenamed(context, name, plan, options.onProgress);
  const record = context.store.images.put({
    id: plan.id,
    diffIds: config.rootfs.diff_ids,
    os: config.os,
    architecture: config.architecture,
    variant: config.variant ?? "",
    builtAt: builtAtOf(config),
    names: plan.names.map(canonicalString),
    manifests: plan.manifests.map(({ digest }) => digest),
    ...(plan.parentId === undefined ? {} : { parentId: plan.parentId }),
  });
  await emitImageEvent(context, "load", { id: record.id, name: record.id, image: record });
  const names = plan.names.map(familiarString);
  const lines =
    names.length === 0 ? [`Loaded image ID: ${plan.id}`] : names.map((name) => `Loaded image: ${name}`);
  for (const text of lines) options.onProgress?.({ kind: "message", text });
  return names.length === 0 ? [{ id: plan.id }] : names.map((name) => ({ name, id: plan.id }));
}

function tellRenamed(
  context: ImageContext,
  name: Reference,
  plan: LoadPlan,
  onProgress: OnProgress | undefined,
): void {
  const before = context.store.images.findByName(canonicalString(name));
  if (before === undefined || before.id === plan.id) return;
  onProgress?.({
    kind: "message",
    text: `The image ${familiarString(name)} already exists, renaming the old one with ID ${before.id} to empty string`,
  });
}
