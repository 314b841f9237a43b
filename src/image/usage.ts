import type { ImageContext } from "./context.ts";
import type { ImageSummary } from "./images.ts";
import { listImages } from "./list.ts";

/** Bytes of all layers that images have, each counted once, and the images. */
export async function diskUsage(
  context: ImageContext,
): Promise<{ readonly layersSize: number; readonly images: ImageSummary[] }> {
  const images = await listImages(context);
  const { store } = context;
  const used = new Set(store.images.list().flatMap(({ diffIds }) => diffIds));
  const layersSize = store.layers
    .list()
    .reduce((sum, { diffId, contentSize }) => sum + (used.has(diffId) ? contentSize : 0), 0);
  return { layersSize, images };
}
