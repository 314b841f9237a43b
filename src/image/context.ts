import type { Deflater } from "../compress/index.ts";
import type { EventBus } from "../event/index.ts";
import type { ImageId, Platform } from "../oci/index.ts";
import type { RegistryClient } from "../registry/index.ts";
import type { ImageRecord, LayerStack, StackLayer, Store } from "../store/index.ts";
import type { CompressedSizes } from "./compressed-sizes.ts";
import type { Configs } from "./configs.ts";
import type { LeaseOwners } from "./lease-owners.ts";

/** What the image room needs of a storage driver. */
export interface StackDriver {
  materialize(stack: LayerStack, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** The uncompressed tar of a layer, bit for bit, without padding. */
  openTar(layer: StackLayer): AsyncIterable<Uint8Array>;
}

/** How much one transfer does at a time. */
export interface TransferLimits {
  /** Layers on their way in per pull. */
  readonly layersAtOnce: number;
  /** Layers on their way out per push. */
  readonly pushesAtOnce: number;
  /** Tags of a repository at once (`pull -a`); they share `layersAtOnce`. */
  readonly tagsAtOnce: number;
}

/** The parts every verb works with. Made once by `openImages`. */
export interface ImageContext {
  readonly store: Store;
  readonly registry: RegistryClient;
  readonly snapshots: StackDriver;
  readonly events: EventBus;
  readonly configs: Configs;
  readonly compressed: CompressedSizes;
  readonly deflater: Deflater;
  readonly owners: LeaseOwners;
  readonly limits: TransferLimits;
  /** What images are chosen for when nobody says otherwise. */
  readonly platform: Platform;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Ids of the containers made from an image. */
  readonly containersOf: (id: ImageId) => readonly string[];
  readonly isRunning: (containerId: string) => boolean;
}

/** The first 12 hex digits of a digest, as Docker shows it. */
export function shortId(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1).slice(0, 12);
}

/** Tells the event bus about an image, with its labels, as Docker does. */
export async function emitImageEvent(
  context: ImageContext,
  action: string,
  about: { readonly id: string; readonly name: string; readonly image?: ImageRecord },
): Promise<void> {
  let labels: Readonly<Record<string, string>> = {};
  if (about.image !== undefined)
    try {
      labels = (await context.configs.get(about.image.id)).config?.Labels ?? {};
    } catch {
      // The image may be gone again by now; the event is worth telling without its labels.
    }
  context.events.emit({
    type: "image",
    action,
    actor: { id: about.id, attributes: { ...labels, name: about.name } },
  });
}
