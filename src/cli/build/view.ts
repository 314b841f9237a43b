import type { PlyBuildMessage, PlyBuildStep } from "../../wire/index.ts";
import type { Stdio } from "../terminal/index.ts";
import type { Face } from "./face.ts";
import { liveView } from "./live-view.ts";
import { paintOf } from "./paint.ts";
import { plainView } from "./plain-view.ts";
import type { ProgressMode } from "./progress-mode.ts";
import { createSteps } from "./step-state.ts";
import { warningLines } from "./warnings.ts";

export { titleOf } from "./step-state.ts";

/** Shows a build while it runs. */
export interface BuildView {
  show(message: PlyBuildMessage): void;
  /** Always call it at the end; steps that still run are shown as cancelled. */
  close(): void;
  /** What a step printed, for a report: all that is kept, or where a log has it already, the end of it. */
  outputOf(step: PlyBuildStep): string;
  /** The step that failed, once one has. */
  readonly failed: PlyBuildStep | undefined;
}

export interface ViewOptions {
  readonly stdio: Stdio;
  readonly mode: ProgressMode;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: () => number;
}

/** Of the failed step's output that a log shows a second time. */
const REPEATED_LINES = 20;

export function createBuildView(options: ViewOptions): BuildView {
  const { stdio, env, clock = Date.now } = options;
  const look = lookOf(options);
  const steps = createSteps(clock);
  const paint = paintOf(look === "screen" ? env : { NO_COLOR: "1" });
  const face = faceOf(look, { stdio, steps, clock, paint });
  const warnings: Extract<PlyBuildMessage, { readonly type: "warning" }>[] = [];
  let failed: PlyBuildStep | undefined;
  let isClosed = false;
  return {
    get failed() {
      return failed;
    },
    outputOf({ number }) {
      const text = steps.get(number)?.output.whole() ?? "";
      return look === "log" ? lastLines(text, REPEATED_LINES) : text;
    },
    show(message) {
      const state = steps.take(message);
      if (message.type === "step" && message.state === "failed") failed ??= message.step;
      if (message.type === "warning") warnings.push(message);
      face.show(message, state);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      for (const state of steps.all().filter((each) => each.state === "running")) {
        const message = { type: "step", step: state.step, state: "cancelled" } as const;
        steps.take(message);
        face.show(message, state);
      }
      face.close();
      if (look !== "screen" && look !== "log") return;
      for (const line of warningLines(warnings, paint)) stdio.err(`${line}\n`);
    },
  };
}

/** What a mode comes to. */
type Look = "screen" | "log" | "silent" | "raw";

function lookOf({ mode, stdio, env }: ViewOptions): Look {
  if (mode === "quiet") return "silent";
  if (mode === "rawjson") return "raw";
  const isTerminal = stdio.isTerminal("stderr") && env["TERM"] !== "dumb";
  return mode === "tty" || (mode === "auto" && isTerminal) ? "screen" : "log";
}

function faceOf(look: Look, parts: Parameters<typeof liveView>[0]): Face {
  const { stdio, clock } = parts;
  const close = () => undefined;
  switch (look) {
    case "screen":
      return liveView(parts);
    case "log":
      return plainView({ write: (text) => stdio.err(text), clock });
    case "raw":
      return { show: (message) => stdio.err(`${JSON.stringify(message)}\n`), close };
    case "silent":
      return { show: () => undefined, close };
  }
}

function lastLines(text: string, count: number): string {
  const lines = text.replace(/\n$/, "").split("\n");
  if (lines.length <= count) return text;
  return [`… ${lines.length - count} lines above`, ...lines.slice(-count)].join("\n");
}
