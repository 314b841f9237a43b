import { throwIfAborted } from "../error.ts";
import { canonicalString, familiarString, type ImageConfig, type ImageId } from "../oci/index.ts";
import { applyChanges } from "./changes.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { ImportOptions } from "./images.ts";
import { putNewImage } from "./new-image.ts";
import { tagName } from "./tag.ts";

/** Makes an image of one layer from the tar of a root filesystem, plain or compressed. Nothing is left on failure. */
export async function importImage(
  context: ImageContext,
  tar: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImageId> {
  const { signal, platform = context.platform } = options;
  throwIfAborted(signal);
  // Both can fail for what the user wrote: before anything is read.
  const process = applyChanges({}, options.changes ?? []);
  const name = options.reference === undefined ? undefined : tagName(options.reference);
  const claimed = context.owners.claim(`import:${crypto.randomUUID()}`);
  try {
    const layer = await context.store.layers.ingest(
      { resumable: false, open: async () => tar },
      claimed.lease,
      signal === undefined ? {} : { signal },
    );
    const created = new Date(context.clock()).toISOString();
    const comment = options.comment ?? "Imported from -";
    const config: ImageConfig = {
      architecture: platform.architecture,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      ...(options.author === undefined ? {} : { author: options.author }),
      config: process,
      created,
      history: [{ created, comment, ...(options.author === undefined ? {} : { author: options.author }) }],
      os: platform.os,
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
    };
    const record = await putNewImage(context, config, {
      lease: claimed.lease,
      names: name === undefined ? [] : [canonicalString(name)],
      ...(signal === undefined ? {} : { signal }),
    });
    claimed.end();
    await emitImageEvent(context, "import", { id: record.id, name: record.id, image: record });
    if (name !== undefined)
      await emitImageEvent(context, "tag", { id: record.id, name: familiarString(name), image: record });
    return record.id;
  } catch (error) {
    claimed.end();
    await context.store.collectGarbage();
    throw error;
  }
}
