import type { Digest, ImageConfig, ImageId } from "../oci/index.ts";
import type { ImageRecord, Lease } from "../store/index.ts";
import { builtAtOf } from "./build-time.ts";
import { type Annotations, composeImage } from "./compose.ts";
import type { ImageContext } from "./context.ts";
import { holdImage } from "./publication.ts";
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
    readonly annotations?: Annotations;
    readonly signal?: AbortSignal;
  },
): Promise<ImageRecord> {
  const { annotations, lease } = options;
  const content = await holdImage(context, config, lease);
  await materializeStack(context, config.rootfs.diff_ids, options);
  const manifests: Digest[] = [];
  if (annotations !== undefined) {
    const { manifest } = await composeImage(context, content, { annotations });
    manifests.push(await context.store.blobs.put(manifest.bytes, lease));
  }
  return context.store.images.put({
    ...content,
    manifests,
    builtAt: builtAtOf(config),
    names: options.names,
    lease: options.lease,
    ...(options.parentId === undefined ? {} : { parentId: options.parentId }),
  });
}
