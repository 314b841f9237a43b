import {
  type Descriptor,
  offeredPlatforms,
  type Platform,
  parseImageConfig,
  parseManifest,
  type Reference,
  withDefaultTag,
} from "../oci/index.ts";
import { registryHome } from "./content-home.ts";
import type { ImageContext } from "./context.ts";
import type { TransferOptions } from "./images.ts";
import { platformOf } from "./platform-match.ts";
import { requestOf } from "./request.ts";
import { fetchTop } from "./resolve-manifest.ts";
import { pullError } from "./transfer-errors.ts";

/** What a name is at its registry, without pulling it. An artifact has no platforms. */
export async function inspectDistribution(
  context: ImageContext,
  reference: Reference,
  transfer: TransferOptions = {},
): Promise<{ descriptor: Descriptor; platforms: Platform[] }> {
  const named = withDefaultTag(reference);
  const request = requestOf(transfer);
  try {
    const fetched = await fetchTop(registryHome(context.registry, named), request);
    const parsed = parseManifest(fetched.bytes, fetched.mediaType);
    const descriptor: Descriptor = {
      mediaType: parsed.mediaType,
      digest: fetched.digest,
      size: fetched.bytes.length,
    };
    if (parsed.kind === "index") return { descriptor, platforms: offeredPlatforms(parsed.index) };
    if (parsed.kind === "artifact") return { descriptor, platforms: [] };
    const config = parseImageConfig(await context.registry.fetchBlob(named, parsed.manifest.config, request));
    return { descriptor, platforms: [platformOf(config)] };
  } catch (error) {
    throw pullError(error, named);
  }
}
