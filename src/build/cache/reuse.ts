import type { LayerRecord } from "../../store/index.ts";
import type { BuildStep } from "../build.ts";
import type { Session, StageWork } from "../session.ts";
import type { MadeOf } from "./trace.ts";

/** What a step made before; `layer` is absent when it changed nothing. */
export interface Reused {
  readonly layer: LayerRecord | undefined;
}

/** What was made of the same inputs before, kept by the build's lease from now on. Undefined: nothing, or no cache is wanted. */
export async function reuse(work: StageWork, step: BuildStep, made: MadeOf): Promise<Reused | undefined> {
  const { session, trace } = work;
  const noCache = session.options.noCache === true;
  if (!noCache) {
    // Caches elsewhere come first: what stands there over this step was made over that very layer.
    await takeIn(work, step, made);
    const found = findHere(session, made.key);
    if (found !== undefined) {
      trace.kept(step, made);
      return found;
    }
  }
  await trace.ran(step, made, { noCache });
  return undefined;
}

function findHere({ parts, cache, lease }: Session, key: string): Reused | undefined {
  const cached = cache.find(key);
  if (cached === undefined) return undefined;
  const layer = cached.diffId === null ? undefined : parts.store.layers.get(cached.diffId);
  if (layer !== undefined) parts.store.leases.addLayer(lease, layer.diffId);
  return { layer };
}

/** Makes what a cache outside of the store has the store's own. */
async function takeIn(work: StageWork, step: BuildStep, made: MadeOf): Promise<void> {
  const { imports, cache } = work.session;
  for (let found = imports.find(made.key); found !== undefined; found = imports.find(made.key)) {
    const here = cache.find(made.key);
    if (here !== undefined && here.diffId === (found.layer?.diffId ?? null)) return;
    const layer = await found.layer?.bring();
    // A layer that cannot be had is not offered again; another cache may have it.
    if (found.layer !== undefined && layer === undefined) continue;
    return keep(work, step, made, layer);
  }
}

/** Keeps what a step made for later builds, and what it was made of. */
export function keep(
  { session: { cache }, trace }: StageWork,
  step: BuildStep,
  made: MadeOf,
  layer: LayerRecord | undefined,
): void {
  const parent = trace.parentOf(step);
  cache.put({
    key: made.key,
    diffId: layer?.diffId ?? null,
    text: step.text,
    size: layer?.contentSize ?? 0,
    ...(parent === undefined ? {} : { parent }),
  });
  trace.kept(step, made);
}
