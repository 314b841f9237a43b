import { canonicalString, familiarString, type ImageConfig, type ImageId } from "../oci/index.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { NewImageOptions } from "./images.ts";
import { putNewImage } from "./new-image.ts";
import { tagName } from "./tag.ts";

/** Makes an image of a config and layers that are here already, and names it: what a build comes to. */
export async function createImage(
  context: ImageContext,
  config: ImageConfig,
  { references, ...options }: NewImageOptions,
): Promise<ImageId> {
  const named = references.map(tagName);
  const record = await putNewImage(context, config, { ...options, names: named.map(canonicalString) });
  for (const reference of named)
    await emitImageEvent(context, "tag", { id: record.id, name: familiarString(reference), image: record });
  return record.id;
}
