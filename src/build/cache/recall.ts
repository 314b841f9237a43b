import type { BuildStep } from "../build.ts";
import { carriesCache } from "../remote-cache/records.ts";
import type { StageWork, StepOutcome } from "../session.ts";
import { layerKey } from "../step-history.ts";
import { keyOf, type StepInput } from "./cache.ts";
import { type Definition, inputsOver } from "./definition.ts";
import { lookUp } from "./reuse.ts";
import type { MadeOf } from "./trace.ts";

/** Told apart from those of builders that made other layers of the same: count it up when `COPY`, `ADD`, `WORKDIR` or mounts do. */
const EDITION = 1;

/**
 * `inputs`: all but the layers below, which are those that the stage has now, and what times are rewritten to. Whoever waits hears of a failure; nobody
 * may.
 */
export function defineStep(
  { root, session: { options } }: StageWork,
  kind: "copy" | "workdir" | "run",
  inputs: () => Promise<StepInput[]> | StepInput[],
): Promise<Definition> {
  const define = async (): Promise<Definition> => {
    const [below, own] = await Promise.all([root.diffIds(), inputs()]);
    const all = inputsOver(below, own, options);
    return { key: keyOf(`${kind} definition ${EDITION}`, all), inputs: all };
  };
  const defined = define();
  defined.catch(() => undefined);
  return defined;
}

/** Whether a step that can be found by its content is to be defined as well: for others to find, or because layers are not here. */
export function wantsDefinition({ root, session: { options } }: StageWork): boolean {
  const { cacheTo = [], explain = false } = options;
  return !root.isHere || explain || cacheTo.length > 0 || carriesCache(options);
}

interface RecalledStep extends Pick<MadeOf, "below"> {
  readonly definition: Definition;
  readonly createdBy: string;
}

/** The step that was made of the same definition before, here or elsewhere. Undefined: not known, or no cache is wanted. */
export async function recall(
  work: StageWork,
  step: BuildStep,
  { definition, createdBy, below }: RecalledStep,
): Promise<StepOutcome | undefined> {
  const { session, root } = work;
  if (session.options.noCache === true) return undefined;
  const key = session.imports.keyOf(definition.key) ?? session.cache.keyOf(definition.key);
  if (key === undefined) return undefined;
  if (key === null) {
    session.cache.define(definition.key, key);
    return { ...nothingMade(createdBy), definition: Promise.resolve(definition) };
  }
  const made: MadeOf = {
    key,
    said: createdBy,
    inputs: [],
    variables: [],
    origins: [],
    recalled: definition,
    ...(below === undefined ? {} : { below }),
  };
  const known = lookUp(work, step, made);
  if (known === undefined) return undefined;
  session.cache.define(definition.key, key);
  root.addLayer(known.layer);
  return {
    createdBy,
    layer: Promise.resolve(known.layer),
    key: layerKey(key, createdBy),
    cacheKey: key,
    definition: Promise.resolve(definition),
    isCached: true,
  };
}

/** A step that turns out to change nothing: no layer is kept for it. */
export function nothingMade(createdBy: string): StepOutcome {
  return { createdBy, key: keyOf("nothing", [["instruction", createdBy]]), isCached: false };
}
