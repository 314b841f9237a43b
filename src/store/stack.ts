import type { ChainId, DiffId } from "../oci/index.ts";

/** One complete layer in the store. */
export interface StackLayer {
  readonly diffId: DiffId;
  /** Directory of the layer: `layers/<hex>`. */
  readonly dir: string;
  /** Bytes of layer.tar without our padding. */
  readonly tarSize: number;
}

/** The layers of an image, bottom to top, and what names them together. Never empty. */
export interface LayerStack {
  readonly chainId: ChainId;
  readonly layers: readonly StackLayer[];
}
