import { chainIdsOf } from "../oci/index.ts";
import type { ImageContext } from "./context.ts";
import type { ImageDetail } from "./images.ts";
import { resolveImage } from "./resolve.ts";
import { sizeTable } from "./sizes.ts";

/** All that is known of one image. */
export async function inspectImage(context: ImageContext, name: string): Promise<ImageDetail> {
  const { record } = resolveImage(context, name);
  const config = await context.configs.get(record.id);
  const sizes = sizeTable(context, context.store.images.list())(record);
  const chainIds = chainIdsOf(record.diffIds);
  return {
    summary: { record, config, sizes, containers: context.containersOf(record.id) },
    config,
    layers: record.diffIds.map((diffId, index) => ({
      diffId,
      chainId: chainIds[index] ?? "",
      size: context.store.layers.get(diffId)?.contentSize ?? 0,
      digests: context.store.layers.forms(diffId).map(({ digest }) => digest),
    })),
  };
}
