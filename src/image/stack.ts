import { PlyError } from "../error.ts";
import { chainIdsOf, type DiffId, type ImageId } from "../oci/index.ts";
import type { LayerStack, Lease } from "../store/index.ts";
import type { ImageContext } from "./context.ts";
import { noSuchImage } from "./resolve.ts";

/** The layers of an image as the snapshot driver wants them; null for none. Throws "corrupt" when one is not here. */
export function stackOfLayers(context: ImageContext, diffIds: readonly DiffId[]): LayerStack | null {
  const chainId = chainIdsOf(diffIds).at(-1);
  if (chainId === undefined) return null;
  return {
    chainId,
    layers: diffIds.map((diffId) => {
      const layer = context.store.layers.get(diffId);
      if (layer === undefined)
        throw new PlyError("corrupt", `layer ${diffId} is not in the store`, {
          hint: "ply system check says what else is missing; pull the image again",
          details: { diffId },
        });
      return { diffId, dir: layer.dir, tarSize: layer.tarSize };
    }),
  };
}

/** Makes a stack ready to mount. The lease names it first, so that a crash leaves nothing unknown on disk. */
export async function materializeStack(
  context: ImageContext,
  diffIds: readonly DiffId[],
  options: { readonly lease: Lease; readonly signal?: AbortSignal },
): Promise<void> {
  const stack = stackOfLayers(context, diffIds);
  if (stack === null) return;
  context.store.leases.addChain(options.lease, diffIds);
  await context.snapshots.materialize(stack, options.signal === undefined ? {} : { signal: options.signal });
}

/** The stack of an image about to be used; marks the image as used. */
export async function useStack(context: ImageContext, id: ImageId): Promise<LayerStack | null> {
  const record = context.store.images.get(id);
  if (record === undefined) throw noSuchImage(id);
  const stack = stackOfLayers(context, record.diffIds);
  context.store.images.touch(id);
  if (stack !== null) await context.snapshots.materialize(stack);
  return stack;
}
