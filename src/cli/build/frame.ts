import { formatSize } from "../../byte-size.ts";
import { printable, truncate, widthOf } from "../output/width.ts";
import type { Paint } from "./paint.ts";
import { type StepState, seconds, titleOf } from "./step-state.ts";

export interface FrameOptions {
  readonly columns: number;
  /** Infinite for the last frame, which stays. */
  readonly rows: number;
  readonly now: number;
  readonly began: number;
  readonly isOver: boolean;
  readonly paint: Paint;
}

/** Lines of a running step's output. */
const TAIL_LINES = 6;

/**
 * The lines that show a build now: its steps in the order in which they began, with what those that run say. Where
 * they do not all fit, running steps stay and say less, and of the others the last ones are shown.
 */
export function frame(steps: readonly StepState[], options: FrameOptions): string[] {
  const room = Math.max(0, options.rows - 1);
  const running = steps.filter(({ state }) => state === "running");
  const notes = running.map((step) => notesOf(step, TAIL_LINES).length);
  const speaking = notes.filter((count) => count > 0).length;
  const isEnough = steps.length + notes.reduce((sum, count) => sum + count, 0) <= room;
  const share = Math.floor((room - running.length) / Math.max(1, speaking));
  const perStep = isEnough ? TAIL_LINES : Math.max(0, Math.min(TAIL_LINES, share));
  const groups = steps.map((step) => ({
    step,
    lines: linesOf(step, perStep, options),
  }));
  let free =
    room - groups.reduce((sum, { step, lines }) => sum + (step.state === "running" ? lines.length : 0), 0);
  const shown = new Set<StepState>(running);
  for (const { step, lines } of groups.toReversed()) {
    if (shown.has(step) || lines.length > free) continue;
    free -= lines.length;
    shown.add(step);
  }
  const lines = groups.flatMap((group) => (shown.has(group.step) ? group.lines : []));
  return [headOf(steps, options), ...lines.slice(Math.max(0, lines.length - room))];
}

function headOf(steps: readonly StepState[], { columns, now, began, isOver }: FrameOptions): string {
  // Triggers of images are counted as they come.
  const triggers = steps.filter(({ step }) => step.isTrigger === true).length;
  const total = Math.max((steps[0]?.step.total ?? 0) + triggers, steps.length);
  const done = steps.filter(({ state }) => state === "done" || state === "cached").length;
  const end = !isOver ? "" : done < total ? " STOPPED" : " FINISHED";
  return truncate(`[+] Building ${seconds(now - began)} (${done}/${total})${end}`, columns);
}

const MARKS: Readonly<Record<StepState["state"], string>> = {
  running: "",
  done: "",
  cached: "CACHED ",
  failed: "ERROR ",
  cancelled: "CANCELED ",
};

function linesOf(step: StepState, tailLines: number, { columns, now, paint }: FrameOptions): string[] {
  const { state } = step;
  const time = seconds(state === "running" ? now - step.beganAt : step.ms);
  // Where there is hardly room for it, the time says less than the step.
  const room = columns - time.length - 1;
  const title = ` => ${MARKS[state]}${titleOf(step.step)}`;
  const text = room < 20 ? truncate(title, columns) : truncate(title, room);
  const line = room < 20 ? text : text + " ".repeat(columns - time.length - widthOf(text)) + time;
  if (state === "running")
    return [
      line,
      ...notesOf(step, tailLines).map((note) => paint.faint(truncate(` => => # ${note}`, columns))),
    ];
  if (state === "failed") return [paint.bad(line)];
  return [state === "cancelled" ? paint.warning(line) : paint.done(line)];
}

/** How far the pull of its image is, and its last lines. */
function notesOf({ pull, output }: StepState, lines: number): string[] {
  const note = pull === undefined ? undefined : pullText(pull);
  const head = note === undefined ? [] : [note];
  const left = lines - head.length;
  return left > 0 ? [...head, ...output.tail(left).map(printable)] : head.slice(0, lines);
}

function pullText(pull: NonNullable<StepState["pull"]>): string | undefined {
  if (pull.kind === "message") return printable(pull.text);
  if (pull.kind === "layer") return undefined;
  const { bytesDone, bytesTotal, bytesPerSecond, layersDone, layersTotal } = pull;
  const speed = bytesPerSecond > 0 ? `  ${formatSize(bytesPerSecond)}/s` : "";
  return `${formatSize(bytesDone)} of ${formatSize(bytesTotal)}${speed}  ${layersDone}/${layersTotal} layers`;
}
