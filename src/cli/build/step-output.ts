/** What a step prints, kept as far as it is needed: its end for a report, its last lines for a live view. */
export interface StepOutput {
  push(text: string): void;
  /** All that is kept: the end of it. */
  whole(): string;
  /** The last lines that are not blank, as they look on a screen. */
  tail(count: number): string[];
}

const KEPT_CHARACTERS = 256 * 1024;
/** Looked through for the last lines, however long they are. */
const TAIL_CHARACTERS = 8 * 1024;

export function createStepOutput(): StepOutput {
  // Pieces as they came: what is printed thousands of times a second is not copied each time.
  let pieces: string[] = [];
  let length = 0;
  return {
    push(text) {
      pieces.push(text);
      length += text.length;
      if (length < 2 * KEPT_CHARACTERS) return;
      pieces = [pieces.join("").slice(-KEPT_CHARACTERS)];
      length = KEPT_CHARACTERS;
    },
    whole: () => pieces.join("").slice(-KEPT_CHARACTERS),
    tail(count) {
      let text = "";
      for (let at = pieces.length - 1; at >= 0 && text.length < TAIL_CHARACTERS; at--)
        text = `${pieces[at]}${text}`;
      const lines = text.slice(-TAIL_CHARACTERS).split("\n").map(shownLine);
      return lines.filter((line) => line.trim() !== "").slice(-count);
    },
  };
}

// Colours and cursor movements (CSI), titles and links (OSC), and what is cut off of either.
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])/g;
const ERASE_LINE = /\x1b\[[0-2]?K/;

/**
 * A line of output as it looks once all of it is printed: what a carriage return goes back over is overwritten, and
 * colours are gone.
 */
export function shownLine(line: string): string {
  if (!/[\r\x1b\x08]/.test(line)) return line;
  let shown = "";
  for (const part of line.replace(/\r+$/, "").split("\r")) {
    const text = part.replace(SEQUENCES, "").replace(/[^\x08]?\x08/g, "");
    shown = ERASE_LINE.test(part) ? text : text + shown.slice(text.length);
  }
  return shown.trimEnd();
}
