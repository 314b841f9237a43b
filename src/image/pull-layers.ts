import { isPlyError, PlyError } from "../error.ts";
import {
  canonicalName,
  type Descriptor,
  type DiffId,
  type ImageConfig,
  type Manifest,
  type Reference,
} from "../oci/index.ts";
import type { LayerProgress, LayerRecord, LayerSource, Lease } from "../store/index.ts";
import { type ContentHome, registryHome } from "./content-home.ts";
import { type ImageContext, shortId } from "./context.ts";
import type { TransferOptions } from "./images.ts";
import { allOrNone, type Limiter } from "./limiter.ts";
import type { PullReport } from "./pull-progress.ts";
import { requestOf } from "./request.ts";

/** One layer of an image at a registry. */
export interface RemoteLayer {
  readonly descriptor: Descriptor;
  readonly diffId: DiffId;
}

/** Layers beside their DiffIDs, bottom to top. Throws "corrupt" where manifest and config do not fit each other. */
export function pairLayers(
  manifest: Manifest,
  config: Pick<ImageConfig, "rootfs">,
  name: string,
): RemoteLayer[] {
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length)
    throw new PlyError(
      "corrupt",
      `${name}: the manifest has ${manifest.layers.length} layers, but the config names ${diffIds.length}`,
    );
  return manifest.layers.map((descriptor, index) => {
    const diffId = diffIds[index];
    if (diffId === undefined) throw new PlyError("internal", "layers were counted wrongly");
    if (descriptor.mediaType.includes("encrypted"))
      throw new PlyError(
        "unsupported",
        `${name}: layer ${shortId(descriptor.digest)} is encrypted (${descriptor.mediaType})`,
      );
    return { descriptor, diffId };
  });
}

/**
 * Brings all layers in, side by side, each kept by the lease. A layer that is here already, in whatever compression
 * it came, is not read. Throws "corrupt" where a layer is not what the config says.
 */
export async function pullLayers(
  context: ImageContext,
  layers: readonly RemoteLayer[],
  options: {
    readonly reference: Reference;
    readonly lease: Lease;
    readonly limiter: Limiter;
    readonly report: PullReport;
    readonly transfer: TransferOptions;
  },
): Promise<void> {
  const { reference, lease, limiter, report, transfer } = options;
  const wanted = new Map<DiffId, RemoteLayer>();
  for (const layer of layers) if (!wanted.has(layer.diffId)) wanted.set(layer.diffId, layer);
  const missing: (() => (signal: AbortSignal) => Promise<void>)[] = [];
  for (const layer of wanted.values()) {
    const line = report.layer(shortId(layer.descriptor.digest), layer.descriptor.size);
    if (context.store.layers.get(layer.diffId) !== undefined) {
      // The lease first, without an await: a collection between the two would take the layer away.
      context.store.leases.addLayer(lease, layer.diffId);
      line.exists();
    } else
      missing.push(() => {
        line.update({ phase: "waiting" });
        return (signal) =>
          limiter.run(async () => {
            await fetchLayer(context, layer, {
              home: registryHome(context.registry, reference),
              lease,
              transfer: { ...transfer, signal },
              onProgress: (progress) => line.update(progress),
              onOffset: (bytes) => line.resumed(bytes),
            });
          }, signal);
      });
  }
  await allOrNone(
    missing.map((begin) => begin()),
    transfer.signal,
  );
}

/** Brings one layer in, kept by the lease. Throws "corrupt" where it is not there, or not what was said of it. */
export async function fetchLayer(
  context: ImageContext,
  { descriptor, diffId }: RemoteLayer,
  from: {
    readonly home: ContentHome;
    readonly lease: Lease;
    readonly transfer: TransferOptions;
    readonly onProgress?: (progress: LayerProgress) => void;
    /** So many bytes are here from an earlier try. */
    readonly onOffset?: (bytes: number) => void;
  },
): Promise<LayerRecord> {
  const { home, transfer } = from;
  const isForeign = (descriptor.urls ?? []).length > 0;
  const source: LayerSource = {
    digest: descriptor.digest,
    size: descriptor.size,
    diffId,
    mediaType: descriptor.mediaType,
    // A foreign layer is read from elsewhere: the repository need not hold it.
    ...(isForeign || home.reference === undefined ? {} : { repository: canonicalName(home.reference) }),
    resumable: true,
    open: async (offset: number, signal: AbortSignal) => {
      from.onOffset?.(offset);
      try {
        return await home.openBlob(descriptor, offset, requestOf({ ...transfer, signal }));
      } catch (error) {
        if (isPlyError(error, "not-found"))
          throw new PlyError(
            "corrupt",
            `${home.name}: the registry has no blob ${descriptor.digest}, a layer that the manifest names`,
            { cause: error },
          );
        throw error;
      }
    },
  };
  const record = await context.store.layers.ingest(source, from.lease, {
    ...(transfer.signal === undefined ? {} : { signal: transfer.signal }),
    ...(from.onProgress === undefined ? {} : { onProgress: from.onProgress }),
  });
  if (record.diffId !== diffId)
    throw new PlyError(
      "corrupt",
      `${home.name}: layer ${descriptor.digest} has DiffID ${record.diffId}, but the config says ${diffId}`,
    );
  return record;
}
