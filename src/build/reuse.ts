import type { LayerRecord } from "../store/index.ts";
import type { Session } from "./session.ts";

/** What a step made before; `layer` is absent when it changed nothing. */
export interface Reused {
  readonly layer: LayerRecord | undefined;
}

/** What was made of the same inputs before, kept by the build's lease from now on. Undefined: nothing, or no cache is wanted. */
export function reuse({ parts, options, cache, lease }: Session, key: string): Reused | undefined {
  const cached = options.noCache === true ? undefined : cache.find(key);
  if (cached === undefined) return undefined;
  const layer = cached.diffId === null ? undefined : parts.store.layers.get(cached.diffId);
  if (layer !== undefined) parts.store.leases.addLayer(lease, layer.diffId);
  return { layer };
}
