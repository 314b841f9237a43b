import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../error.ts";

/**
 * A container's log on disk: `log` is being written, `log.1`, `log.2`, … were rotated away, the highest number last.
 * Between a rotation and conmon's reopening there is no `log`, and the highest number is still written to.
 */
const LOG_FILE = "log";

export function logPathOf(dir: string): string {
  return join(dir, LOG_FILE);
}

export function rotatedPath(dir: string, number: number): string {
  return join(dir, `${LOG_FILE}.${number}`);
}

/** Numbers of the rotated files, ascending. */
export function rotatedLogs(dir: string): number[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return [];
  }
  return names
    .map((name) => Number(/^log\.([1-9]\d{0,14})$/.exec(name)?.[1] ?? 0))
    .filter((number) => number > 0)
    .sort((a, b) => a - b);
}

/** One file of a log, held open. A generation is the number that the file has or will get when it is rotated. */
export interface LogFile {
  readonly fd: number;
  readonly generation: number;
}

/** Opens the files from a generation on, all in one step: no rotation comes between. The caller closes them. */
export function openLogFiles(dir: string, from: number): LogFile[] {
  const rotated = rotatedLogs(dir);
  const next = (rotated.at(-1) ?? 0) + 1;
  const opened: LogFile[] = [];
  const open = (path: string, generation: number) => {
    try {
      opened.push({ fd: openSync(path, "r"), generation });
    } catch (error) {
      if (codeOf(error) !== "ENOENT") {
        for (const { fd } of opened) closeSync(fd);
        throw error;
      }
    }
  };
  for (const generation of rotated) if (generation >= from) open(rotatedPath(dir, generation), generation);
  if (next >= from) open(logPathOf(dir), next);
  return opened;
}

/** True once nothing more will be written to the file of this generation. */
export function isFinal(dir: string, generation: number): boolean {
  const last = rotatedLogs(dir).at(-1) ?? 0;
  return last > generation || (last === generation && sizeOf(logPathOf(dir)) !== undefined);
}

export function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

/** Ends a record that a conmon which was killed left unfinished: the next one's would be glued to it. */
export function mendLog(dir: string): void {
  let fd: number;
  try {
    fd = openSync(logPathOf(dir), "r+");
  } catch {
    return;
  }
  try {
    const { size } = fstatSync(fd);
    const last = Buffer.alloc(1);
    if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a) writeSync(fd, "\n", size);
  } finally {
    closeSync(fd);
  }
}

/** Removes a stopped container's log. */
export function removeLogs(dir: string): void {
  for (const number of rotatedLogs(dir)) rmSync(rotatedPath(dir, number), { force: true });
  rmSync(logPathOf(dir), { force: true });
}
