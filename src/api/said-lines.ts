import type { ImageProgress } from "../image/index.ts";
import type { DockerProgressLine } from "../wire/index.ts";

/** Sentences by which the engine itself opens and ends a transfer; the answers here have their own form of them. */
const OPENING = /^(Pulling from |The push refers to repository )/;
const ENDING = /^(Digest: |Status: |Loaded image(?: ID)?: |[\w][\w.-]*: digest: )/;

export function isOpening(progress: ImageProgress): boolean {
  return progress.kind === "message" && OPENING.test(progress.text);
}

/** True for what a typed message of a `/ply` stream says as well. */
export function isSaidByResult(progress: ImageProgress): boolean {
  return progress.kind === "message" && (OPENING.test(progress.text) || ENDING.test(progress.text));
}

export interface SaidLines {
  /** Sends a line; the very first ones wait until `open`. */
  readonly send: (line: DockerProgressLine) => void;
  /** Sends a line unless one with the same status was sent, or waits, already. */
  readonly sendOnce: (line: DockerProgressLine) => void;
  /** There is something to tell: what waited goes out. */
  readonly open: () => void;
}

/**
 * Holds opening lines back until the work shows that it will come to something: an error before is then still a
 * status of its own, which Docker's clients treat differently from an error in the stream.
 */
export function saidLines(send: (line: DockerProgressLine) => void): SaidLines {
  const said = new Set<string>();
  const waiting: DockerProgressLine[] = [];
  let isOpen = false;
  const say = (line: DockerProgressLine) => {
    if (line.status !== undefined && line.id === undefined) said.add(line.status);
    if (isOpen) send(line);
    else waiting.push(line);
  };
  return {
    send: say,
    sendOnce(line) {
      if (line.status === undefined || !said.has(line.status)) say(line);
    },
    open() {
      isOpen = true;
      for (const line of waiting.splice(0)) send(line);
    },
  };
}
