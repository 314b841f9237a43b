import type { ImageConfig, ImageId } from "../oci/index.ts";
import { digestOf } from "../oci/index.ts";
import type { ImageRecord, Lease } from "../store/index.ts";
import { builtAtOf } from "./build-time.ts";
import type { ImageContext } from "./context.ts";
import { materializeStack } from "./stack.ts";

/**
 * Makes an image of a config whose layers are all here, kept by the lease: visible at once and whole, and then the lease
 * is over.
 */
export async function putNewImage(
  context: ImageContext,
  config: ImageConfig,
  options: {
    readonly lease: Lease;
    readonly names: readonly string[];
    readonly parentId?: ImageId;
    readonly signal?: AbortSignal;
  },
): Promise<ImageRecord> {
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  const id = digestOf(bytes) as ImageId;
  await context.store.blobs.put(bytes, options.lease);
  await materializeStack(context, config.rootfs.diff_ids, options);
  return context.store.images.put({
    id,
    diffIds: config.rootfs.diff_ids,
    os: config.os,
    architecture: config.architecture,
    variant: config.variant ?? "",
    builtAt: builtAtOf(config),
    names: options.names,
    lease: options.lease,
    ...(options.parentId === undefined ? {} : { parentId: options.parentId }),
  });
}
