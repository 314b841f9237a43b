import type { ImageConfig, ImageId } from "../oci/index.ts";
import { parseImageConfig } from "../oci/index.ts";
import type { Blobs } from "../store/index.ts";

/** Parsed image configs, remembered up to a bound of raw bytes. A config never changes: its digest is its name. */
export interface Configs {
  get(id: ImageId): Promise<ImageConfig>;
  /** The config's own bytes, not remembered. */
  bytes(id: ImageId): Promise<Uint8Array>;
}

/** Configs of several thousand ordinary images (2 to 6 KB each). */
const REMEMBERED_BYTES = 16 * 1024 * 1024;

export function openConfigs(blobs: Blobs): Configs {
  // In order of use, the oldest first.
  const remembered = new Map<ImageId, { readonly config: ImageConfig; readonly size: number }>();
  let total = 0;
  return {
    async get(id) {
      const known = remembered.get(id);
      if (known !== undefined) {
        remembered.delete(id);
        remembered.set(id, known);
        return known.config;
      }
      const bytes = await blobs.get(id);
      const config = parseImageConfig(bytes);
      if (!remembered.has(id)) {
        remembered.set(id, { config, size: bytes.length });
        total += bytes.length;
        for (const [oldest, { size }] of remembered) {
          if (total <= REMEMBERED_BYTES) break;
          remembered.delete(oldest);
          total -= size;
        }
      }
      return config;
    },
    bytes: (id) => blobs.get(id),
  };
}
