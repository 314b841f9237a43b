import {
  type Descriptor,
  type DiffId,
  type Digest,
  digestOf,
  type Manifest,
  MEDIA_TYPE,
} from "../oci/index.ts";
import { encoded } from "./compose.ts";
import { type ContentHome, type ContentPlace, registryHome } from "./content-home.ts";
import type { ImageContext } from "./context.ts";
import { directoryHome } from "./directory-home.ts";
import type { Content, NewContent, TransferOptions } from "./images.ts";
import { allOrNone, openLimiter } from "./limiter.ts";
import { fetchLayer } from "./pull-layers.ts";
import { type OutgoingLayer, once, pushLayer } from "./push-layer.ts";
import { requestOf } from "./request.ts";
import { resolveContent } from "./resolve-manifest.ts";
import { pullError, pushError } from "./transfer-errors.ts";

/** Reads manifest and config of what a place's name stands for, for a platform; layers only when they are asked for. */
export async function readContent(
  context: ImageContext,
  place: ContentPlace,
  transfer: TransferOptions = {},
): Promise<Content> {
  const home = homeOf(context, place);
  const limiter = openLimiter(context.limits.layersAtOnce);
  try {
    const { platform = context.platform } = transfer;
    const { fetched, manifest } = await resolveContent(home, { ...requestOf(transfer), platform });
    return {
      digest: fetched.digest,
      manifest,
      config: await home.fetchBlob(manifest.config, requestOf(transfer)),
      fetchLayer({ diffId, descriptor: { urls: _elsewhere, ...descriptor } }, lease, options = {}) {
        const from = { home, lease, transfer: { ...transfer, ...options } };
        return limiter.run(() => fetchLayer(context, { diffId, descriptor }, from), options.signal);
      },
    };
  } catch (error) {
    throw home.reference === undefined ? error : pullError(error, home.reference);
  }
}

/**
 * Puts layers and a config somewhere, as a push does: what is there is not sent, what another repository has is mounted, the
 * rest is compressed, always to the same bytes. The manifest is sent unless the name stands for it already.
 */
export async function putContent(
  context: ImageContext,
  place: ContentPlace,
  content: NewContent,
  transfer: TransferOptions = {},
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const home = homeOf(context, place);
  const limiter = openLimiter(context.limits.pushesAtOnce);
  const { config, compression = "gzip" } = content;
  const distinct = [...new Set(content.layers)];
  const configDescriptor: Descriptor = {
    mediaType: config.mediaType,
    digest: digestOf(config.bytes),
    size: config.bytes.length,
  };
  const request = requestOf(transfer);
  try {
    const pushed = await allOrNone<readonly [DiffId, Descriptor] | undefined>(
      [
        async (signal) => {
          await home.pushBlob(configDescriptor, () => once(config.bytes), { ...request, signal });
          return undefined;
        },
        ...distinct.map((diffId) => (signal: AbortSignal) => {
          const target = {
            home,
            family: "oci" as const,
            compression,
            isCompressionForced: content.isCompressionForced ?? false,
            transfer,
            signal,
          };
          const layer = outgoing(context, content, { diffId, home });
          return limiter.run(async () => [diffId, await pushLayer(context, layer, target)] as const, signal);
        }),
      ],
      transfer.signal,
    );
    const descriptors = new Map(pushed.filter((pair) => pair !== undefined));
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      artifactType: content.artifactType,
      config: configDescriptor,
      layers: content.layers.flatMap((diffId) => descriptors.get(diffId) ?? []),
    };
    const made = encoded(manifest);
    if ((await home.headManifest(request))?.digest !== made.digest) await home.pushManifest(made, request);
    return { digest: made.digest, size: made.bytes.length };
  } catch (error) {
    throw home.reference === undefined ? error : pushError(error, home.reference);
  }
}

/** A layer that is not here goes as it is said to be elsewhere, where the target takes it so. */
function outgoing(
  { store }: ImageContext,
  { elsewhere }: NewContent,
  { diffId, home }: { readonly diffId: DiffId; readonly home: ContentHome },
): OutgoingLayer {
  const place = store.layers.get(diffId) === undefined ? elsewhere?.(diffId) : undefined;
  if (place === undefined) return { diffId, claimed: [] };
  const { descriptor, reference, bring } = place;
  const isNear = reference !== undefined && reference.domain === home.reference?.domain;
  const repositories = isNear ? [reference.path] : [];
  return { diffId, claimed: [{ diffId, descriptor, repositories, verified: false }], bring };
}

function homeOf({ registry }: ImageContext, place: ContentPlace): ContentHome {
  return "reference" in place ? registryHome(registry, place.reference) : directoryHome(place);
}
