import { chainIdsOf, type HistoryEntry, type ImageConfig } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import { smallestForm } from "./compressed-sizes.ts";
import type { ImageContext } from "./context.ts";
import type { HistoryRow } from "./images.ts";
import { configsOf } from "./list.ts";
import { familiar } from "./references.ts";
import { resolveImage } from "./resolve.ts";

interface Step {
  readonly entry: HistoryEntry;
  /** Layers below and with this step. */
  readonly layers: number;
  readonly emptyLayer: boolean;
}

/**
 * How an image came to be, newest step first. Every image here that ends with one of the steps, such as the base it was
 * built on, gives its id and tags to the step's row.
 */
export async function imageHistory(context: ImageContext, name: string): Promise<HistoryRow[]> {
  const { record } = resolveImage(context, name);
  const config = await context.configs.get(record.id);
  const steps = stepsOf(config, record.diffIds.length);
  const images = await imagesByStep(context, record, config);
  const chainIds = chainIdsOf(record.diffIds);
  const rows = steps.map(({ entry, layers, emptyLayer }, index): HistoryRow => {
    const diffId = emptyLayer ? undefined : record.diffIds[layers - 1];
    const layer = diffId === undefined ? undefined : context.store.layers.get(diffId);
    const image = index === steps.length - 1 ? record : images.get(index);
    return {
      id: image?.id ?? (diffId === undefined ? "" : (chainIds[layers - 1] ?? "")),
      imageId: image?.id,
      created: entry.created,
      createdBy: entry.created_by ?? "",
      size: layer?.contentSize ?? 0,
      comment: entry.comment ?? "",
      tags: image?.names.map(familiar) ?? [],
      diffId,
      digest: diffId === undefined ? undefined : smallestForm(context.store.layers.forms(diffId))?.digest,
      emptyLayer,
    };
  });
  return rows.reverse();
}

/** The config's steps, oldest first; a layer that no step accounts for, as in squashed images, gets one of its own. */
function stepsOf(config: ImageConfig, layerCount: number): Step[] {
  const steps: Step[] = [];
  let layers = 0;
  for (const entry of config.history ?? []) {
    const emptyLayer = entry.empty_layer === true || layers >= layerCount;
    if (!emptyLayer) layers++;
    steps.push({ entry, layers, emptyLayer });
  }
  while (layers < layerCount) steps.push({ entry: {}, layers: ++layers, emptyLayer: false });
  return steps;
}

/** Other images here whose whole history and layers are the beginning of this one's, by their last step. */
async function imagesByStep(
  context: ImageContext,
  record: ImageRecord,
  config: ImageConfig,
): Promise<Map<number, ImageRecord>> {
  const history = config.history ?? [];
  const bases = context.store.images
    .list()
    .filter(
      (other) =>
        other.id !== record.id &&
        other.diffIds.length <= record.diffIds.length &&
        other.diffIds.every((diffId, index) => diffId === record.diffIds[index]),
    );
  const configs = await configsOf(context, bases);
  const found = new Map<number, ImageRecord>();
  for (const [at, base] of bases.entries()) {
    const steps = configs[at]?.history ?? [];
    if (steps.length === 0 || steps.length >= history.length) continue;
    if (!steps.every((step, index) => isSameStep(step, history[index]))) continue;
    const last = steps.length - 1;
    const known = found.get(last);
    // Of two images with one history (they differ in settings), the one it was committed from here, then a named one.
    const isBetter = base.id === record.parentId || (base.names.length > 0 && known?.names.length === 0);
    if (known === undefined || isBetter) found.set(last, base);
  }
  return found;
}

function isSameStep(a: HistoryEntry, b: HistoryEntry | undefined): boolean {
  return (
    a.created === b?.created &&
    a.created_by === b?.created_by &&
    (a.comment ?? "") === (b?.comment ?? "") &&
    (a.empty_layer ?? false) === (b?.empty_layer ?? false)
  );
}
