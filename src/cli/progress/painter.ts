import { widthOf } from "../output/width.ts";

/**
 * Lines that are painted over again and again at the end of the terminal. Each repaint is one write, in which only
 * lines that changed are rewritten, between the marks of synchronized output: nothing flickers.
 */
export interface Painter {
  /** Replaces the lines; none may be wider than the terminal. */
  paint(lines: readonly string[]): void;
  /** Puts lasting lines above the live ones, which become these in the same frame when they are given. */
  printAbove(lines: readonly string[], live?: readonly string[]): void;
  /** The live lines stay as they are and the cursor is below them. */
  finish(): void;
}

const ESC = "\x1b[";
// Terminals that do not know DEC mode 2026 pass over it.
const BEGIN_FRAME = `${ESC}?2026h`;
const END_FRAME = `${ESC}?2026l`;
const CLEAR_TO_LINE_END = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;

/** `columns` is asked at each repaint, as the terminal may have been resized. */
export function createPainter(write: (text: string) => void, columns: () => number): Painter {
  let shown: readonly string[] = [];
  let shownColumns = columns();

  /** Rows the lines on screen take now: a terminal made narrower has wrapped them. */
  const rowsShown = (width: number): number =>
    shown.reduce((rows, line) => rows + Math.max(1, Math.ceil(widthOf(line) / width)), 0);

  const toTop = (width: number): string => {
    const rows = rowsShown(width);
    return rows === 0 ? "" : `${ESC}${rows}A\r`;
  };

  return {
    paint(lines) {
      const width = columns();
      if (width !== shownColumns || lines.length < shown.length) {
        write(
          `${BEGIN_FRAME}${toTop(width)}${CLEAR_BELOW}${lines.map((line) => `${line}\n`).join("")}${END_FRAME}`,
        );
      } else {
        if (lines.length === 0) return;
        const changed = lines.map((line, i) => (line === shown[i] ? "\n" : `${line}${CLEAR_TO_LINE_END}\n`));
        if (lines.length === shown.length && changed.every((line) => line === "\n")) return;
        write(`${BEGIN_FRAME}${toTop(width)}${changed.join("")}${END_FRAME}`);
      }
      shown = lines;
      shownColumns = width;
    },
    printAbove(lines, live = shown) {
      if (lines.length === 0 && live === shown) return;
      const below = [...lines, ...live].map((line) => `${line}\n`).join("");
      write(`${BEGIN_FRAME}${toTop(columns())}${CLEAR_BELOW}${below}${END_FRAME}`);
      shown = live;
      shownColumns = columns();
    },
    finish() {
      shown = [];
    },
  };
}
