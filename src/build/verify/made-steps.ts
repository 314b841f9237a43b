import type { BuildStep } from "../build.ts";
import type { BuildTrace } from "../cache/trace.ts";
import type { KnownLayer } from "../layer-supply.ts";

/** A step that is over, and the layer it made; undefined: it made none. */
export interface MadeStep {
  readonly step: BuildStep;
  readonly layer: Promise<KnownLayer | undefined>;
}

/** A trace that also notes what each step made. */
export interface NotingTrace extends BuildTrace {
  readonly steps: readonly MadeStep[];
}

export function notingSteps(trace: BuildTrace): NotingTrace {
  const steps: MadeStep[] = [];
  return {
    ...trace,
    steps,
    stage(...about) {
      const stage = trace.stage(...about);
      return {
        ...stage,
        done(step, outcome, options) {
          steps.push({ step, layer: outcome.layer ?? Promise.resolve(undefined) });
          stage.done(step, outcome, options);
        },
      };
    },
  };
}

/** Of a build of which nothing is to be remembered. */
export const NO_TRACE: BuildTrace = {
  stage: () => ({
    layers: [],
    ran: async () => undefined,
    kept: () => undefined,
    done: () => undefined,
    parentOf: () => undefined,
  }),
  whyOf: () => undefined,
  finish: () => undefined,
};
