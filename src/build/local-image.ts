import { isPlyError } from "../error.ts";
import { formatPlatform, normalizePlatform, type Platform } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { BuilderParts } from "./parts.ts";

type Parts = Pick<BuilderParts, "images" | "store" | "platform">;

/**
 * The image that a name stands for here, or the one for the platform that came from the same index: a name stands for
 * one platform's image alone.
 */
export function localImage(
  parts: Parts,
  name: string,
  platform: Platform | undefined,
): ImageRecord | undefined {
  const named = resolved(parts, name, platform);
  const other = named === undefined && platform !== undefined ? resolved(parts, name, undefined) : undefined;
  if (other === undefined) return named;
  const digests = new Set(other.repoDigests);
  return parts.store.images
    .list()
    .find(
      ({ id, repoDigests }) =>
        repoDigests.some((each) => digests.has(each)) && resolved(parts, id, platform) !== undefined,
    );
}

/** Whether a pull for this platform leaves the name alone: it stands for this machine's image, and shall go on to. */
export function isNameTaken(parts: Parts, name: string, platform: Platform | undefined): boolean {
  if (platform === undefined) return false;
  const [own, wanted] = [parts.platform, platform].map((each) => formatPlatform(normalizePlatform(each)));
  return own !== wanted && resolved(parts, name, parts.platform) !== undefined;
}

function resolved({ images }: Parts, name: string, platform: Platform | undefined): ImageRecord | undefined {
  try {
    return images.resolve(name, platform === undefined ? {} : { platform });
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
}
