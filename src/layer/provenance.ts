import type { LayerIndex } from "./entry.ts";
import { lookup } from "./lookup.ts";
import type { TreeNode } from "./tree.ts";
import { createUnion } from "./union.ts";

/** What one layer did to one path of the union. */
export interface LayerEvent {
  /** Index of the layer, bottom is 0. */
  readonly layer: number;
  readonly kind: "added" | "modified" | "deleted";
  /** What the path is after this layer; undefined once deleted. Its `size` is that at this layer. */
  readonly node: TreeNode | undefined;
}

/**
 * Which layers touched `path` (a byte string, symlinks on the way not followed), bottom to top: who added it, who
 * replaced it or its attributes, who deleted it, be it by a whiteout of a directory above. A directory is not
 * "modified" by what happens inside it. Costs one union of all layers.
 */
export function layersOf(layers: readonly LayerIndex[], path: string): LayerEvent[] {
  const builder = createUnion();
  const events: LayerEvent[] = [];
  let before: TreeNode | undefined;
  let layerBefore = 0;
  for (const [layer, index] of layers.entries()) {
    builder.apply(index);
    const found = lookup(builder.root, path);
    const after = found === builder.root && found.implicit ? undefined : found;
    const node = after === undefined ? undefined : { ...after };
    if (before === undefined && after !== undefined) events.push({ layer, kind: "added", node });
    else if (before !== undefined && after === undefined) events.push({ layer, kind: "deleted", node });
    else if (before !== after || (after !== undefined && after.layer !== layerBefore))
      events.push({ layer, kind: "modified", node });
    before = after;
    layerBefore = after?.layer ?? 0;
  }
  return events;
}
