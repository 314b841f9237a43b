import { createPainter } from "../progress/painter.ts";
import type { Stdio } from "../terminal/index.ts";
import type { Face } from "./face.ts";
import { type FrameOptions, frame } from "./frame.ts";
import type { Paint } from "./paint.ts";
import type { Steps } from "./step-state.ts";

/** At most so often, however much is said. */
const FRAME_MS = 66;
/** Times go on also when nothing is said. */
const IDLE_MS = 500;
const FALLBACK_SIZE = { columns: 80, rows: 24 };

/** The steps of a build at the end of a terminal, painted over and over; the last frame stays whole. */
export function liveView(options: {
  readonly stdio: Pick<Stdio, "err" | "size">;
  readonly steps: Steps;
  readonly clock: () => number;
  readonly paint: Paint;
}): Face {
  const { stdio, steps, clock, paint } = options;
  const size = () => stdio.size("stderr") ?? FALLBACK_SIZE;
  const painter = createPainter(
    (text) => stdio.err(text),
    () => size().columns,
  );
  const began = clock();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isSoon = false;
  const now = (isOver: boolean): FrameOptions => {
    const { columns, rows } = size();
    // A line as wide as the terminal would wrap on some.
    return {
      columns: Math.max(1, columns - 1),
      rows: isOver ? Number.POSITIVE_INFINITY : rows - 1,
      now: clock(),
      began,
      isOver,
      paint,
    };
  };
  const paintNow = (): void => {
    isSoon = false;
    painter.paint(frame(steps.all(), now(false)));
    timer = setTimeout(paintNow, IDLE_MS);
  };
  return {
    show() {
      if (isSoon) return;
      isSoon = true;
      clearTimeout(timer);
      timer = setTimeout(paintNow, FRAME_MS);
    },
    close() {
      clearTimeout(timer);
      if (steps.all().length > 0) painter.printAbove(frame(steps.all(), now(true)), []);
      painter.finish();
    },
  };
}
