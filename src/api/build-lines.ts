import { type BuildEvent, type BuildStep, writtenPlace } from "../build/index.ts";
import type { DockerProgressLine } from "../wire/index.ts";
import { progressLines } from "./progress-lines.ts";

export interface BuildLinesOptions {
  readonly send: (line: DockerProgressLine) => void;
  readonly isBehind: () => boolean;
  readonly clock: () => number;
  /** Nothing but the result. */
  readonly isQuiet: boolean;
  /** Of the request: the classic builder has them as a step of its own, the last one. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface BuildLines {
  show(event: BuildEvent): void;
  /** The last step is what the image is. */
  finish(imageId: string): void;
}

/**
 * Turns a build's events into the lines of Docker's classic builder. Stages that are built side by side are shown one
 * after the other: what comes of one that is not its turn waits.
 */
export function buildLines(options: BuildLinesOptions): BuildLines {
  if (options.isQuiet) return { show: () => undefined, finish: () => undefined };
  const labels = Object.entries(options.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const extra = labels.length === 0 ? 0 : 1;
  let total = 0;
  const toPullLines = progressLines(options);
  /** Of steps, by their places. */
  const decoders = new Map<string, TextDecoder>();
  const say = (stream: string): void => options.send({ stream });
  const textOf = ({ step, bytes }: Extract<BuildEvent, { kind: "output" }>): string => {
    const name = `${step.stage.index} ${step.place.number}`;
    const decoder = decoders.get(name) ?? new TextDecoder();
    decoders.set(name, decoder);
    return decoder.decode(bytes, { stream: true });
  };
  const show = (event: BuildEvent): void => {
    if (event.kind === "step") {
      total = event.step.total + extra;
      for (const line of stepLines(event, total)) say(line);
    } else if (event.kind === "container")
      say(
        event.state === "running"
          ? ` ---> Running in ${shortHex(event.id)}\n`
          : `Removing intermediate container ${shortHex(event.id)}\n`,
      );
    else if (event.kind === "output") say(textOf(event));
    else if (event.kind === "pull") toPullLines(event.progress);
    else if (event.kind === "warning") say(`[Warning] ${event.message}\n`);
  };

  /** Stages that have begun and are not wholly shown, in the order in which they began, with what waits. */
  const stages = new Map<number, { isDone: boolean; readonly waiting: BuildEvent[] }>();
  const shownNow = (): number | undefined => stages.keys().next().value;
  const advance = (): void => {
    for (let index = shownNow(); index !== undefined; index = shownNow()) {
      const stage = stages.get(index);
      for (const event of stage?.waiting.splice(0) ?? []) show(event);
      if (stage?.isDone !== true) return;
      stages.delete(index);
    }
  };
  const see = (event: BuildEvent): void => {
    if (event.kind === "stage" && event.state === "begun") {
      stages.set(event.index, { isDone: false, waiting: [] });
      return;
    }
    if (event.kind === "stage") {
      const stage = stages.get(event.index);
      if (stage !== undefined) stage.isDone = true;
      advance();
      return;
    }
    const index = "step" in event ? event.step.stage.index : undefined;
    const stage = index === undefined ? undefined : stages.get(index);
    if (stage === undefined || index === shownNow()) {
      show(event);
      return;
    }
    stage.waiting.push(event);
    // What failed is what is asked for: it does not wait.
    if (event.kind === "step" && event.state === "failed")
      for (const each of stage.waiting.splice(0)) show(each);
  };
  return {
    show: see,
    finish(imageId) {
      const words = labels.map(([key, value]) => `${key}=${value}`).join(" ");
      if (extra > 0) say(`Step ${total}/${total} : LABEL ${words}\n`);
      say(idLine(imageId.slice("sha256:".length)));
    },
  };
}

/** Of the last of all steps without what it comes to: that is the image, which is not known yet. */
function stepLines(event: Extract<BuildEvent, { kind: "step" }>, total: number): string[] {
  const { step, state } = event;
  const { trigger } = writtenPlace(step);
  if (state === "running" && trigger === 0) return [`Step ${step.number}/${total} : ${step.text}\n`];
  if (state === "running") return trigger === 1 ? [triggersLine(step)] : [];
  if (state === "failed" || state === "cancelled") return [];
  return [
    ...(state === "cached" ? [" ---> Using cache\n"] : []),
    ...(step.number === total ? [] : [idLine(event.id)]),
  ];
}

function triggersLine({ triggers = 0 }: BuildStep): string {
  return `# Executing ${triggers} build trigger${triggers === 1 ? "" : "s"}\n`;
}

function idLine(id: string): string {
  return ` ---> ${shortHex(id)}\n`;
}

function shortHex(id: string): string {
  return id.slice(0, 12);
}
