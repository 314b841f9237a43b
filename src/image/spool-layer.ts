import { isPlyError, messageOf, PlyError } from "../error.ts";
import type { DiffId } from "../oci/index.ts";
import { type ImageContext, shortId } from "./context.ts";
import { type Compression, compressed } from "./layer-form.ts";
import { type Spool, spoolStream } from "./spool.ts";

/** A layer's tar compressed into a file beside the store, always to the same bytes. A failure names the layer, nothing is left of it. */
export async function spoolLayer(
  context: ImageContext,
  layer: { readonly diffId: DiffId; readonly tar: AsyncIterable<Uint8Array> },
  options: {
    readonly compression: Compression;
    readonly level: number | undefined;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Spool> {
  try {
    const stream = compressed(layer.tar, { ...options, deflater: context.deflater });
    return await spoolStream(context.store.root, stream, options.signal);
  } catch (error) {
    if (isPlyError(error, "cancelled")) throw error;
    const { kind, hint, details } = error instanceof PlyError ? error : new PlyError("internal", "");
    throw new PlyError(kind, `layer ${shortId(layer.diffId)} was not compressed: ${messageOf(error)}`, {
      cause: error,
      details,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
