import { PlyError } from "../error.ts";
import {
  familiarString,
  type ImageId,
  parseImageConfig,
  type Reference,
  withDefaultTag,
} from "../oci/index.ts";
import { registryHome } from "./content-home.ts";
import { type ImageContext, shortId } from "./context.ts";
import type { RemoteImage, TransferOptions } from "./images.ts";
import { openLimiter } from "./limiter.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import { fetchConfig } from "./pull.ts";
import { fetchLayer, pairLayers } from "./pull-layers.ts";
import { openPullReport } from "./pull-progress.ts";
import { requestOf } from "./request.ts";
import { resolveManifest } from "./resolve-manifest.ts";
import { pullError } from "./transfer-errors.ts";

/** What a pull would bring, with the layers left where they are until they are asked for. Throws as a pull does. */
export async function peekImage(
  context: ImageContext,
  named: Reference,
  transfer: TransferOptions = {},
): Promise<RemoteImage> {
  const reference = withDefaultTag(named);
  const request = requestOf(transfer);
  const { platform = context.platform } = transfer;
  try {
    const { top, manifest } = await resolveManifest(context.registry, reference, { ...request, platform });
    const bytes = await fetchConfig(context, reference, manifest.config, request);
    const config = parseImageConfig(bytes);
    const offered = platformOf(config);
    if (transfer.platform !== undefined && !fitsPlatform(transfer.platform, offered))
      throw new PlyError("not-found", wrongPlatform(familiarString(reference), offered, transfer.platform));
    const limiter = openLimiter(context.limits.layersAtOnce);
    const report = openPullReport(transfer.onProgress, context.clock);
    const home = registryHome(context.registry, reference);
    return {
      id: manifest.config.digest as ImageId,
      digest: top.digest,
      config,
      layers: pairLayers(manifest, config, familiarString(reference)),
      fetchLayer(layer, lease, { signal = transfer.signal } = {}) {
        const line = report.layer(shortId(layer.descriptor.digest), layer.descriptor.size);
        const from = {
          home,
          lease,
          transfer: { ...transfer, ...(signal && { signal }) },
          onProgress: line.update,
          onOffset: line.resumed,
        };
        return limiter
          .run(() => fetchLayer(context, layer, from), signal)
          .catch((error: unknown) => {
            throw pullError(error, reference);
          });
      },
    };
  } catch (error) {
    throw pullError(error, reference);
  }
}
