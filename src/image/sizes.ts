import type { DiffId } from "../oci/index.ts";
import type { ImageRecord, LayerRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";
import type { ImageSummary } from "./images.ts";

export type ImageSizes = ImageSummary["sizes"];

/** Sizes of images from how many of them share each layer: one pass over all layers of all images. */
export function sizeTable(
  context: ImageContext,
  images: readonly ImageRecord[],
): (record: ImageRecord) => ImageSizes {
  const { compressed } = context;
  const { layers } = context.store;
  const known = new Map<DiffId, LayerRecord>(layers.list().map((layer) => [layer.diffId, layer]));
  const users = new Map<DiffId, number>();
  for (const image of images)
    for (const diffId of new Set(image.diffIds)) users.set(diffId, (users.get(diffId) ?? 0) + 1);

  return (record) => {
    let unique = 0;
    let shared = 0;
    let packed: number | undefined = 0;
    // A layer that comes twice in one image is on disk once.
    for (const diffId of new Set(record.diffIds)) {
      const size = known.get(diffId)?.contentSize ?? 0;
      if ((users.get(diffId) ?? 0) > 1) shared += size;
      else unique += size;
      const form = compressed.of(diffId);
      packed = packed === undefined || form === undefined ? undefined : packed + form;
    }
    return { total: unique + shared, unique, shared, compressed: packed };
  };
}
