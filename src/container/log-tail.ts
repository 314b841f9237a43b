import { readSync } from "node:fs";
import { compareTime, HEADER_BYTES, headAt, type LogStream } from "./log-format.ts";

const BLOCK_BYTES = 256 * 1024;

/** A file as far as it is looked at: it may grow meanwhile. */
export interface SizedFile {
  readonly fd: number;
  readonly size: number;
}

export interface TailOptions {
  readonly lines: number;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly until?: Buffer | undefined;
}

/**
 * Where the last lines begin: an index into `files` and an offset of a record in that file. Lines are counted in
 * the streams that are asked for and up to `until`; an unfinished last line counts.
 */
export function tailStart(
  files: readonly SizedFile[],
  options: TailOptions,
): { file: number; offset: number } {
  let left = options.lines;
  const seen: Record<LogStream, boolean> = { stdout: false, stderr: false };
  for (let file = files.length - 1; file >= 0; file--) {
    const { fd, size } = files[file] as SizedFile;
    for (const { end, head, block, at } of recordsBackward(fd, size)) {
      const { stream, isFull } = head;
      if (!options[stream]) continue;
      if (options.until !== undefined && compareTime(block, at, options.until) > 0) continue;
      if (isFull || !seen[stream]) {
        if (left === 0) return { file, offset: end };
        left--;
        seen[stream] = true;
      }
    }
  }
  return { file: 0, offset: 0 };
}

interface FoundRecord {
  readonly block: Buffer;
  /** Of the header in the block. */
  readonly at: number;
  /** Offset in the file of what follows the record. */
  readonly end: number;
  readonly head: { readonly stream: LogStream; readonly isFull: boolean };
}

/** The records that end before `size`, the last one first. */
function* recordsBackward(fd: number, size: number): Generator<FoundRecord> {
  let blockStart = size;
  let block: Buffer = Buffer.alloc(0);
  /** Where the record that is looked for ends, its newline included. */
  let end = size;
  for (;;) {
    // The newline before the record, which is that of the one before.
    let before = end - blockStart >= 2 ? block.lastIndexOf(0x0a, end - blockStart - 2) : -1;
    while (before < 0 && blockStart > 0) {
      const take = Math.min(BLOCK_BYTES, blockStart);
      const more = Buffer.allocUnsafe(take);
      if (readSync(fd, more, 0, take, blockStart - take) < take) return;
      block = Buffer.concat([more, block.subarray(0, end - blockStart)]);
      blockStart -= take;
      before = end - blockStart >= 2 ? block.lastIndexOf(0x0a, end - blockStart - 2) : -1;
    }
    const at = before + 1;
    const offset = blockStart + at;
    if (end <= offset) return;
    const head = end - offset > HEADER_BYTES ? headAt(block, at) : undefined;
    if (head !== undefined) yield { block, at, end, head };
    end = offset;
    if (end === 0) return;
  }
}
