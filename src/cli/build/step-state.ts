import type { PlyBuildMessage, PlyBuildStep } from "../../wire/index.ts";
import { printable } from "../output/width.ts";
import { createStepOutput, type StepOutput } from "./step-output.ts";

/** A step of a build as views know it. */
export interface StepState {
  readonly step: PlyBuildStep;
  state: Extract<PlyBuildMessage, { readonly type: "step" }>["state"];
  readonly beganAt: number;
  /** How long it took, once it is over. */
  ms: number;
  readonly output: StepOutput;
  pull: Extract<PlyBuildMessage, { readonly type: "pull" }>["progress"] | undefined;
}

/** The steps of a build in the order in which they began, as messages tell of them. */
export interface Steps {
  /** Takes a message in; the step it is about. */
  take(message: PlyBuildMessage): StepState | undefined;
  all(): readonly StepState[];
  get(number: number): StepState | undefined;
}

export function createSteps(clock: () => number): Steps {
  const steps = new Map<number, StepState>();
  return {
    all: () => [...steps.values()],
    get: (number) => steps.get(number),
    take(message) {
      if (message.type === "output" || message.type === "pull") {
        const known = steps.get(message.number);
        if (message.type === "output") known?.output.push(message.text);
        else if (known !== undefined && message.progress.kind !== "layer") known.pull = message.progress;
        return known;
      }
      if (message.type !== "step") return undefined;
      const { step, state } = message;
      const known = steps.get(step.number) ?? {
        step,
        state,
        beganAt: clock(),
        ms: 0,
        output: createStepOutput(),
        pull: undefined,
      };
      steps.set(step.number, known);
      known.state = state;
      known.ms = "ms" in message ? message.ms : clock() - known.beganAt;
      return known;
    },
  };
}

/** `[base 2/7] RUN make`, `[base 1/7] ONBUILD COPY . .` */
export function titleOf({ stageName, place, isTrigger = false, text }: PlyBuildStep): string {
  const stage = stageName === undefined ? "" : `${stageName} `;
  return printable(
    `[${stage}${place.number}/${place.total}] ${isTrigger ? "ONBUILD " : ""}${text.replace(/\s+/g, " ")}`,
  );
}

/** `12.3s` */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}
