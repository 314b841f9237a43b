import type { BuildStep } from "./build.ts";

/** A step's place within its stage as the Dockerfile has it. */
export interface WrittenPlace {
  readonly number: number;
  readonly total: number;
  /** Which of its image's ONBUILD instructions it is, from 1, at the place of its FROM; 0: none of them. */
  readonly trigger: number;
}

/** The place that a step has from the beginning: which triggers an image has is known only when it is here. */
export function writtenPlace({ place, triggers = 0 }: Pick<BuildStep, "place" | "triggers">): WrittenPlace {
  const total = place.total - triggers;
  const after = place.number - 1;
  if (after === 0) return { number: 1, total, trigger: 0 };
  return after <= triggers
    ? { number: 1, total, trigger: after }
    : { number: place.number - triggers, total, trigger: 0 };
}
