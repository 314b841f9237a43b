/** Somebody who writes into a log that others write into too. */
export interface Speaker {
  /** Said again when it takes up where it was interrupted. */
  readonly title: string;
  readonly isOver: () => boolean;
}

/** One log for several, of which one writes at a time. */
export interface Turns<Someone extends Speaker> {
  /** Whole lines; written now, or when the others let it. */
  say(speaker: Someone, lines: readonly string[]): void;
  /** Writes what still waits. */
  finish(): void;
}

/** Who is silent for so long, or has had the word for so long, gives it to those who wait. */
const QUIET_MS = 300;
const TURN_MS = 3000;

export function createTurns<Someone extends Speaker>(options: {
  readonly write: (text: string) => void;
  readonly clock: () => number;
}): Turns<Someone> {
  const { write, clock } = options;
  const waiting = new Map<Someone, string[]>();
  const introduced = new Set<Someone>();
  let now: Someone | undefined;
  let [began, last] = [0, 0];
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isFree = (): boolean =>
    now === undefined || now.isOver() || clock() - last >= QUIET_MS || clock() - began >= TURN_MS;
  const begin = (speaker: Someone): void => {
    if (now !== undefined) write("\n");
    write(`${speaker.title}\n`);
    introduced.add(speaker);
    now = speaker;
    began = clock();
  };
  const put = (lines: readonly string[]): void => {
    if (lines.length > 0) write(lines.map((line) => `${line}\n`).join(""));
    last = clock();
  };
  const drain = (isLast: boolean): void => {
    clearTimeout(timer);
    for (const [speaker, lines] of waiting) {
      if (!isLast && !isFree()) break;
      waiting.delete(speaker);
      begin(speaker);
      put(lines);
    }
    timer = waiting.size === 0 ? undefined : setTimeout(() => drain(false), QUIET_MS);
  };
  return {
    say(speaker, lines) {
      if (speaker === now) put(lines);
      else {
        const before = waiting.get(speaker) ?? [];
        for (const line of lines) before.push(line);
        waiting.set(speaker, before);
      }
      drain(false);
    },
    finish: () => drain(true),
  };
}
