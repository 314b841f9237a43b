import type { ImageContext } from "./context.ts";
import type { ImageSummary } from "./images.ts";
import { listImages } from "./list.ts";

/** Bytes of all layers, each counted once, and the images. */
export async function diskUsage(
  context: ImageContext,
): Promise<{ readonly layersSize: number; readonly images: ImageSummary[] }> {
  const images = await listImages(context);
  const layersSize = context.store.layers.list().reduce((sum, layer) => sum + layer.contentSize, 0);
  return { layersSize, images };
}
