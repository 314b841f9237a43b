import type { LayerRecord } from "../../store/index.ts";
import type { BuildStep } from "../build.ts";
import type { KnownLayer } from "../layer-supply.ts";
import type { Session, StageWork } from "../session.ts";
import type { CachedStep } from "./cache.ts";
import type { MadeOf } from "./trace.ts";

/** What a step made before; `layer` is absent when it changed nothing. */
export interface Reused {
  readonly layer: KnownLayer | undefined;
}

/** What was made of the same inputs before. Undefined: nothing, or no cache is wanted. */
export async function reuse(work: StageWork, step: BuildStep, made: MadeOf): Promise<Reused | undefined> {
  const noCache = work.session.options.noCache === true;
  const known = noCache ? undefined : lookUp(work, step, made);
  if (known === undefined) await work.trace.ran(step, made, { noCache });
  return known;
}

/** The same, where a cache is wanted and nobody needs to know why nothing was found. */
export function lookUp(work: StageWork, step: BuildStep, made: MadeOf): Reused | undefined {
  // Caches elsewhere come first: what stands there over this step was made over that very layer.
  const known = findElsewhere(work, step, made) ?? findHere(work.session, made.key);
  if (known !== undefined) work.trace.kept(step, made);
  return known;
}

function findHere({ parts, cache, supply, lease }: Session, key: string): Reused | undefined {
  const cached = cache.find(key);
  if (cached === undefined) return undefined;
  const { diffId } = cached;
  if (diffId === null) return { layer: undefined };
  if (supply.isLost(diffId)) return undefined;
  if (supply.isHere(diffId)) parts.store.leases.addLayer(lease, diffId);
  return { layer: { diffId } };
}

/** What a cache outside of the store has becomes the store's own when the build ends: until then it may prove to be nowhere. */
function findElsewhere(work: StageWork, step: BuildStep, made: MadeOf): Reused | undefined {
  const { parts, imports, supply, cache, imported } = work.session;
  const diffId = imports.find(made.key);
  if (diffId === undefined) return undefined;
  if (diffId !== null && supply.isHere(diffId)) parts.store.leases.addLayer(work.session.lease, diffId);
  const record = recordOf(work, step, made);
  imported.push(() => {
    const layer = diffId === null ? undefined : parts.store.layers.get(diffId);
    const isOnlyName = diffId !== null && layer === undefined;
    // What is known here with its bytes is worth more than a name.
    if (isOnlyName && (supply.isLost(diffId) || cache.find(made.key) !== undefined)) return;
    cache.put({ ...record, diffId, size: layer?.contentSize ?? 0 });
  });
  return { layer: diffId === null ? undefined : { diffId } };
}

/** Keeps what a step made for later builds, and what it was made of. */
export function keep(work: StageWork, step: BuildStep, made: MadeOf, layer: LayerRecord | undefined): void {
  const record = recordOf(work, step, made);
  work.session.cache.put({ ...record, diffId: layer?.diffId ?? null, size: layer?.contentSize ?? 0 });
  work.trace.kept(step, made);
}

function recordOf(
  { trace }: StageWork,
  step: BuildStep,
  { key }: MadeOf,
): Pick<CachedStep, "key" | "text" | "parent"> {
  const parent = trace.parentOf(step);
  return { key, text: step.text, ...(parent === undefined ? {} : { parent }) };
}
