import { PlyError } from "../error.ts";
import type { DiffId, Digest, ImageConfig, ImageId, Reference } from "../oci/index.ts";
import type { ArchiveContents } from "./archive-contents.ts";
import type { ImageContext } from "./context.ts";

/** An image found in an archive, verified, ready to be put. */
export interface LoadPlan {
  readonly id: ImageId;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  readonly names: readonly Reference[];
  /** Manifests worth keeping: a push may use them as they are. */
  readonly manifests: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
  readonly parentId?: ImageId;
}

/**
 * Checks that each member is the layer that the config has in its place. A layer that the archive leaves out but that is here
 * will do. Throws corrupt, invalid naming the member.
 */
export function checkLayers(
  context: ImageContext,
  contents: ArchiveContents,
  image: {
    readonly config: ImageConfig;
    readonly members: readonly string[];
    readonly namedBy: string;
    readonly keep: (diffId: DiffId) => void;
  },
): void {
  const { config, members, namedBy } = image;
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== members.length)
    throw new PlyError(
      "corrupt",
      `${namedBy} names ${members.length} layers, but the image's config names ${diffIds.length}`,
    );
  for (const [index, member] of members.entries()) {
    const wanted = diffIds[index];
    if (wanted === undefined) throw new PlyError("internal", "layers were counted wrongly");
    if (!contents.has(member) && context.store.layers.get(wanted) !== undefined) {
      image.keep(wanted);
      continue;
    }
    const diffId = contents.layer(member, namedBy);
    if (diffId !== wanted)
      throw new PlyError(
        "corrupt",
        `${member} in the archive has DiffID ${diffId}, but the image's config says ${wanted}`,
      );
  }
}
