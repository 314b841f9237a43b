import { isPlyError, PlyError } from "../error.ts";
import { canonicalName, type Descriptor, type DiffId } from "../oci/index.ts";
import type { ContentHome } from "./content-home.ts";
import { type ImageContext, shortId } from "./context.ts";
import type { ImageProgress, TransferOptions } from "./images.ts";
import {
  type Compression,
  candidatesOf,
  compressionOf,
  type Family,
  isForeign,
  type LayerCandidate,
  layerType,
} from "./layer-form.ts";
import { requestOf } from "./request.ts";
import type { Spool } from "./spool.ts";
import { spoolLayer } from "./spool-layer.ts";
import { stackOfLayers } from "./stack.ts";

/** Existence questions per layer: after that many the layer is sent. */
const MAX_CANDIDATES = 8;

/** A layer on its way out. */
export interface OutgoingLayer {
  readonly diffId: DiffId;
  readonly claimed: readonly LayerCandidate[];
  /** Makes it be here, before its bytes are asked for; absent: it is. */
  readonly bring?: () => Promise<void>;
}

export interface PushTarget {
  readonly home: ContentHome;
  readonly family: Family;
  /** How a layer is compressed that the target has in no form yet; gzip when absent. */
  readonly compression?: Compression;
  /** As the compression has it; its usual one when absent. */
  readonly level?: number;
  /** What the target has in another compression will not do. */
  readonly isCompressionForced?: boolean;
  readonly transfer: TransferOptions;
  readonly signal: AbortSignal;
}

/**
 * Makes sure the target has one layer in some compressed form, and says in which. What is there in any known form is not sent;
 * what another repository of the registry has is mounted; the rest is compressed, always to the same bytes.
 */
export async function pushLayer(
  context: ImageContext,
  layer: OutgoingLayer,
  target: PushTarget,
): Promise<Descriptor> {
  const { diffId } = layer;
  const { home, compression = "gzip" } = target;
  const id = shortId(diffId);
  const tell = (progress: Omit<Extract<ImageProgress, { kind: "layer" }>, "kind" | "id">) =>
    target.transfer.onProgress?.({ kind: "layer", id, ...progress });
  const foreign = layer.claimed.find(({ descriptor }) => isForeign(descriptor));
  if (foreign !== undefined) {
    target.transfer.onProgress?.({ kind: "message", id, text: "Skipped foreign layer" });
    return foreign.descriptor;
  }
  const request = requestOf({ ...target.transfer, signal: target.signal });
  const candidates = candidatesFor(context, layer, target);

  for (const candidate of candidates)
    if (await home.hasBlob(candidate.descriptor.digest, request)) {
      tell({ status: "Layer already exists" });
      remember(context, candidate, home);
      return candidate.descriptor;
    }

  await using packed = lazySpool(context, layer, {
    compression,
    level: target.level,
    signal: target.signal,
    onProgress: (current, total) => tell({ status: "Preparing", current, total }),
  });
  const send = async (
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    mountFrom: readonly string[],
  ) => {
    const how = await home.pushBlob(descriptor, open, {
      ...request,
      ...(mountFrom.length === 0 ? {} : { mountFrom }),
      onProgress: throttled((current) => tell({ status: "Pushing", current, total: descriptor.size })),
    });
    if (how === "mounted") tell({ status: "Mounted", detail: `from ${mountFrom[0] ?? ""}` });
    else tell({ status: how === "exists" ? "Layer already exists" : "Pushed" });
  };

  for (const candidate of candidates) {
    const isPlain = candidate.descriptor.digest === diffId;
    const mountFrom = candidate.repositories.filter((path) => path !== home.reference?.path);
    if (mountFrom.length === 0 && !isPlain) continue;
    try {
      const open = isPlain ? () => openLayer(context, layer) : () => packed.openAs(candidate.descriptor);
      await send(candidate.descriptor, open, mountFrom);
      remember(context, candidate, home);
      return candidate.descriptor;
    } catch (error) {
      // Neither mounted nor made again: this form cannot be had, so another one goes.
      if (!packed.refused(error)) throw error;
    }
  }

  const spool = await packed.get();
  const mediaType = layerType(target.family, compression);
  if (mediaType === undefined) throw new PlyError("internal", `no media type for ${compression} layers`);
  const descriptor: Descriptor = { mediaType, digest: spool.digest, size: spool.size };
  await send(descriptor, () => spool.open(), []);
  remember(context, { diffId, descriptor, repositories: [], verified: true }, home);
  return descriptor;
}

/** What the image's own manifests say first, then what was seen here; each digest once. */
function candidatesFor(context: ImageContext, layer: OutgoingLayer, target: PushTarget): LayerCandidate[] {
  const seen = candidatesOf(context.store.layers.forms(layer.diffId), {
    domain: target.home.reference?.domain ?? "",
    family: target.family,
  });
  const byDigest = new Map<string, LayerCandidate>();
  for (const candidate of [...layer.claimed, ...seen]) {
    const known = byDigest.get(candidate.descriptor.digest);
    byDigest.set(
      candidate.descriptor.digest,
      known === undefined
        ? candidate
        : {
            ...known,
            repositories: [...new Set([...known.repositories, ...candidate.repositories])],
            verified: known.verified || candidate.verified,
          },
    );
  }
  const usable = [...byDigest.values()].filter(
    ({ descriptor }) =>
      target.isCompressionForced !== true || compressionOf(descriptor.mediaType) === target.compression,
  );
  return usable.slice(0, MAX_CANDIDATES);
}

/** Only what was computed here is remembered: a claim in a manifest could name another layer's bytes. */
function remember(context: ImageContext, candidate: LayerCandidate, { reference }: ContentHome): void {
  if (!candidate.verified || context.store.layers.get(candidate.diffId) === undefined) return;
  const { digest, size, mediaType } = candidate.descriptor;
  context.store.layers.rememberForm(
    { diffId: candidate.diffId, digest, size, mediaType },
    reference === undefined ? undefined : canonicalName(reference),
  );
  context.compressed.forget(candidate.diffId);
}

/** The uncompressed tar. */
async function* openLayer(
  context: ImageContext,
  { diffId, bring }: OutgoingLayer,
): AsyncGenerator<Uint8Array> {
  await bring?.();
  const layer = stackOfLayers(context, [diffId])?.layers[0];
  if (layer === undefined) throw new PlyError("internal", "a stack of one layer has none");
  yield* context.snapshots.openTar(layer);
}

interface LazySpool extends AsyncDisposable {
  get(): Promise<Spool>;
  /** The compressed layer, if it comes out as this descriptor says; else the stream fails with "conflict". */
  openAs(descriptor: Descriptor): AsyncIterable<Uint8Array>;
  /** True when an error, or what caused it, is that failure. */
  refused(error: unknown): boolean;
}

/** Compresses a layer once, and only when somebody wants it. */
function lazySpool(
  context: ImageContext,
  layer: OutgoingLayer,
  options: {
    readonly compression: Compression;
    readonly level: number | undefined;
    readonly signal: AbortSignal;
    readonly onProgress: (current: number, total: number) => void;
  },
): LazySpool {
  let spool: Promise<Spool> | undefined;
  let refusal: PlyError | undefined;
  const get = () => {
    spool ??= (async () => {
      const total = context.store.layers.get(layer.diffId)?.tarSize ?? 0;
      const tell = throttled((current) => options.onProgress(current, total));
      const tar = counted(openLayer(context, layer), tell);
      return await spoolLayer(context, { diffId: layer.diffId, tar }, options);
    })();
    return spool;
  };
  return {
    get,
    async *openAs(descriptor) {
      const ready = await get();
      if (ready.digest !== descriptor.digest) {
        refusal ??= new PlyError(
          "conflict",
          `layer ${layer.diffId} does not compress to ${descriptor.digest}`,
        );
        throw refusal;
      }
      yield* ready.open();
    },
    refused(error) {
      for (let cause = error, depth = 0; depth < 8 && cause instanceof Error; cause = cause.cause, depth++)
        if (cause === refusal) return true;
      return false;
    },
    async [Symbol.asyncDispose]() {
      try {
        await (await spool)?.[Symbol.asyncDispose]();
      } catch (error) {
        // A spool that was never finished has removed its file; whoever waited for it was told why.
        if (!isPlyError(error) && !(error instanceof Error)) throw error;
      }
    },
  };
}

/** A document as the stream that a push takes. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  onBytes: (total: number) => void,
): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of stream) {
    total += chunk.length;
    onBytes(total);
    yield chunk;
  }
}

/** At most ten calls a second. */
function throttled(tell: (value: number) => void): (value: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (value) => {
    const now = performance.now();
    if (now - last < 100) return;
    last = now;
    tell(value);
  };
}
