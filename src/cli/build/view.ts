import type { PlyBuildMessage, PlyBuildStep } from "../../wire/index.ts";
import { printable, truncate } from "../output/width.ts";
import { createPainter } from "../progress/painter.ts";
import type { Stdio } from "../terminal/index.ts";

/** Shows a build while it runs. */
export interface BuildView {
  show(message: PlyBuildMessage): void;
  /** Always call it at the end. */
  close(): void;
  /** What the failed step printed. */
  outputOf(step: PlyBuildStep): string;
  /** The step that failed, once one has. */
  readonly failed: PlyBuildStep | undefined;
}

export type ProgressMode = "auto" | "plain" | "tty" | "quiet" | "rawjson";

/** What is kept of a step's output, for when it fails. */
const KEPT_OUTPUT = 256 * 1024;
const FRAME_MS = 66;
/** Lines of a running step's output that a terminal shows. */
const TAIL_LINES = 6;
const FALLBACK_SIZE = { columns: 80, rows: 24 };

interface StepState {
  readonly step: PlyBuildStep;
  state: "running" | "done" | "cached" | "failed";
  readonly beganAt: number;
  ms: number;
  output: string;
  /** What of the output is not a whole line yet. */
  rest: string;
  note: string;
}

export interface ViewOptions {
  readonly stdio: Stdio;
  readonly mode: ProgressMode;
  readonly clock?: () => number;
}

export function createBuildView(options: ViewOptions): BuildView {
  const { stdio, mode } = options;
  const steps = new Map<number, StepState>();
  const clock = options.clock ?? Date.now;
  const isLive = mode === "tty" || (mode === "auto" && stdio.isTerminal("stderr"));
  const face =
    mode === "quiet"
      ? silent
      : mode === "rawjson"
        ? raw(stdio)
        : isLive
          ? live(options, steps, clock)
          : plain(options);
  let failed: PlyBuildStep | undefined;
  return {
    get failed() {
      return failed;
    },
    outputOf: ({ number }) => steps.get(number)?.output ?? "",
    close: () => face.close(),
    show(message) {
      if (message.type === "step") {
        const { step, state } = message;
        const known = steps.get(step.number);
        if (state === "running" || known === undefined)
          steps.set(step.number, {
            step,
            state,
            beganAt: clock(),
            ms: 0,
            output: "",
            rest: "",
            note: "",
          });
        else {
          known.state = state;
          if ("ms" in message) known.ms = message.ms;
        }
        if (state === "failed") failed = step;
      } else if (message.type === "output") {
        const known = steps.get(message.number);
        if (known !== undefined) known.output = (known.output + message.text).slice(-KEPT_OUTPUT);
      }
      face.show(
        message,
        "step" in message
          ? steps.get(message.step.number)
          : "number" in message
            ? steps.get(message.number)
            : undefined,
      );
    },
  };
}

interface Face {
  show(message: PlyBuildMessage, state: StepState | undefined): void;
  close(): void;
}

const silent: Face = { show: () => undefined, close: () => undefined };

function raw(stdio: Stdio): Face {
  return { show: (message) => stdio.err(`${JSON.stringify(message)}\n`), close: () => undefined };
}

/** `[base 2/7] RUN make` */
export function titleOf({ stageName, number, total, text }: PlyBuildStep): string {
  const stage = stageName === undefined ? "" : `${stageName} `;
  return printable(`[${stage}${number}/${total}] ${text.replace(/\s+/g, " ")}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

function plain({ stdio }: ViewOptions): Face {
  const say = (state: StepState, text: string) => stdio.err(`#${state.step.number} ${text}\n`);
  return {
    show(message, state) {
      if (message.type === "warning") stdio.err(`WARNING: ${printable(message.message)}\n`);
      if (state === undefined) return;
      if (message.type === "step") {
        if (message.state === "running") return say(state, titleOf(state.step));
        if (state.rest !== "") say(state, printable(state.rest));
        state.rest = "";
        if (message.state === "failed") say(state, `ERROR: ${printable(message.message)}`);
        else if (message.state === "cached") say(state, "CACHED");
        else say(state, `DONE ${seconds(message.ms)}`);
      } else if (message.type === "output") {
        const lines = (state.rest + message.text).split("\n");
        state.rest = lines.pop() ?? "";
        for (const line of lines) say(state, printable(line));
      } else if (message.type === "pull" && message.progress.kind === "message")
        say(state, printable(message.progress.text));
    },
    close: () => undefined,
  };
}

function live({ stdio }: ViewOptions, steps: ReadonlyMap<number, StepState>, clock: () => number): Face {
  const size = () => stdio.size("stderr") ?? FALLBACK_SIZE;
  const painter = createPainter(
    (text) => stdio.err(text),
    () => size().columns,
  );
  const began = clock();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const paint = (): void => {
    timer = undefined;
    const { columns, rows } = size();
    painter.paint(frame([...steps.values()], { columns: columns - 1, rows, now: clock(), began }));
    // Times go on also when nothing is said.
    if ([...steps.values()].some(({ state }) => state === "running")) timer = setTimeout(paint, 500);
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(paint, FRAME_MS);
  };
  return {
    show(message, state) {
      if (message.type === "warning") painter.printAbove([`WARNING: ${printable(message.message)}`]);
      if (message.type === "pull" && state !== undefined && message.progress.kind !== "layer")
        state.note =
          message.progress.kind === "message"
            ? message.progress.text
            : `${message.progress.layersDone}/${message.progress.layersTotal} layers`;
      soon();
    },
    close() {
      clearTimeout(timer);
      paint();
      clearTimeout(timer);
      painter.finish();
    },
  };
}

interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
  readonly began: number;
}

/** The lines that show a build now; where they do not all fit, the last steps and those that run. */
export function frame(steps: readonly StepState[], options: FrameOptions): string[] {
  const { columns, now, began } = options;
  const total = steps[0]?.step.total ?? 0;
  const done = steps.filter(({ state }) => state === "done" || state === "cached").length;
  const isOver = steps.every(({ state }) => state !== "running");
  const head = `[+] Building ${seconds(now - began)} (${done}/${Math.max(total, steps.length)})${isOver ? " FINISHED" : ""}`;
  const lines = steps.flatMap((state) => {
    const mark = state.state === "cached" ? "CACHED " : state.state === "failed" ? "ERROR " : "";
    const time = seconds(state.state === "running" ? now - state.beganAt : state.ms);
    const text = truncate(` => ${mark}${titleOf(state.step)}`, columns - time.length - 1);
    const own = [text.padEnd(columns - time.length) + time];
    if (state.state !== "running") return own;
    const note = state.note === "" ? [] : [state.note];
    const tail = state.output
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-TAIL_LINES);
    return [
      ...own,
      ...[...note, ...tail].map((line) => truncate(` => => # ${printable(line.trimEnd())}`, columns)),
    ];
  });
  const room = Math.max(1, options.rows - 2);
  return [truncate(head, columns), ...lines.slice(-room)];
}
