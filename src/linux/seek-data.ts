import { failedWith, systemCall } from "./libc.ts";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** Bytes of a file from `start` up to `end` that are not in a hole. */
export interface DataRun {
  readonly start: number;
  readonly end: number;
}

/**
 * lseek(2): the first run of data at or after `from`; undefined when all that follows is a hole. Where the filesystem
 * knows of no holes, all is data. Moves the descriptor's own position.
 */
export function nextDataRun(fd: number, from: number): DataRun | undefined {
  try {
    const start = systemCall("lseek", undefined, fd, from, SEEK_DATA);
    return { start, end: systemCall("lseek", undefined, fd, start, SEEK_HOLE) };
  } catch (error) {
    if (failedWith(error, "ENXIO")) return undefined;
    // Files of /proc and their like cannot be asked.
    if (failedWith(error, "EINVAL")) return { start: from, end: Number.MAX_SAFE_INTEGER };
    throw error;
  }
}
