import { throwIfAborted } from "../../error.ts";
import type { LayerRecord } from "../../store/index.ts";
import type { BuildStep } from "../build.ts";
import { keyOf, type StepInput } from "../cache/cache.ts";
import type { Definition } from "../cache/definition.ts";
import { nothingMade } from "../cache/recall.ts";
import { keep, reuse } from "../cache/reuse.ts";
import type { MadeOf } from "../cache/trace.ts";
import type { StageWork, StepOutcome } from "../session.ts";
import { layerKey } from "../step-history.ts";
import { variableInputs } from "../variables.ts";
import type { LayerPlan } from "./layer-plan.ts";

/**
 * A plan as the stage's next layer: the one that was made of the same entries before, or made now while the build
 * goes on.
 */
export async function planLayer(
  work: StageWork,
  plan: LayerPlan,
  { step, createdBy, definition }: PlannedStep,
): Promise<StepOutcome> {
  const { session, root } = work;
  const { times } = session.options;
  const defined = definition === undefined ? {} : { definition };
  /** Later builds find the step by its definition too. */
  const define = (key: string | null): void => {
    // Nobody needs it: it is told to caches elsewhere by those who do.
    definition?.then((each) => session.cache.define(each.key, key)).catch(() => undefined);
  };
  if (plan.isEmpty) {
    define(null);
    return { ...nothingMade(createdBy), ...defined };
  }
  const inputs: StepInput[] = await plan.inputs();
  if (times !== undefined) inputs.push(["times", JSON.stringify(times)]);
  const key = keyOf("copy", inputs);
  const made: MadeOf = {
    key,
    said: createdBy,
    inputs,
    variables: variableInputs(work),
    origins: plan.origins,
    definition,
  };
  define(key);
  const reused = await reuse(work, step, made);
  if (reused !== undefined) {
    const layer = Promise.resolve(reused.layer);
    root.addPlanned(plan, layer);
    return { createdBy, layer, key: layerKey(key, createdBy), cacheKey: key, ...defined, isCached: true };
  }
  throwIfAborted(session.signal);
  const layer = ingestPlan(work, plan).then((record) => {
    keep(work, step, made, record);
    return record;
  });
  root.addPlanned(plan, layer);
  return { createdBy, layer, key: layerKey(key, createdBy), cacheKey: key, ...defined, isCached: false };
}

interface PlannedStep {
  readonly step: BuildStep;
  readonly createdBy: string;
  readonly definition?: Promise<Definition> | undefined;
}

function ingestPlan({ session }: StageWork, plan: LayerPlan): Promise<LayerRecord> {
  const { times } = session.options;
  const options = { now: session.now, ...(times === undefined ? {} : { times }) };
  return session.parts.store.layers.ingest(
    { resumable: false, open: async () => plan.tar(options) },
    session.lease,
    { signal: session.signal },
  );
}
