import { printable } from "../output/width.ts";
import type { Face } from "./face.ts";
import { shownLine } from "./step-output.ts";
import { type StepState, seconds, titleOf } from "./step-state.ts";
import { createTurns, type Speaker } from "./turns.ts";

interface LoggedStep extends Speaker {
  readonly state: StepState;
  /** What is not a whole line yet. */
  rest: string;
}

/**
 * Lines for a log, each with its step's number. Steps that run side by side take turns, so that what belongs together
 * stands together.
 */
export function plainView(options: {
  readonly write: (text: string) => void;
  readonly clock: () => number;
}): Face {
  const { clock } = options;
  const turns = createTurns<LoggedStep>(options);
  const steps = new Map<number, LoggedStep>();
  const stepOf = (state: StepState): LoggedStep => {
    const { number } = state.step;
    const known = steps.get(number) ?? {
      state,
      title: `#${number} ${titleOf(state.step)}`,
      isOver: () => state.state !== "running",
      rest: "",
    };
    steps.set(number, known);
    return known;
  };
  const say = (step: LoggedStep, lines: readonly string[]): void =>
    turns.say(
      step,
      lines.map((line) => `#${step.state.step.number} ${line}`),
    );
  const outputLines = (step: LoggedStep, text: string): string[] => {
    const lines = (step.rest + text).split("\n");
    step.rest = lines.pop() ?? "";
    const since = ((clock() - step.state.beganAt) / 1000).toFixed(3);
    return lines.map((line) => `${since} ${printable(shownLine(line))}`.trimEnd());
  };
  return {
    show(message, state) {
      if (state === undefined) return;
      const step = stepOf(state);
      if (message.type === "output") say(step, outputLines(step, message.text));
      else if (message.type === "pull" && message.progress.kind === "message")
        say(step, [printable(message.progress.text)]);
      else if (message.type === "step" && message.state === "running") say(step, []);
      else if (message.type === "step") {
        const rest = step.rest === "" ? [] : outputLines(step, "\n");
        say(step, [...rest, endOf(message)]);
      }
    },
    close: turns.finish,
  };
}

function endOf(message: Parameters<Face["show"]>[0] & { readonly type: "step" }): string {
  if (message.state === "failed") return `ERROR: ${printable(message.message)}`;
  if (message.state === "done") return `DONE ${seconds(message.ms)}`;
  return message.state === "cached" ? "CACHED" : "CANCELED";
}
