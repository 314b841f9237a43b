import { read as readCallback } from "node:fs";
import { promisify } from "node:util";

const read = promisify(readCallback);

const BLOCK_BYTES = 1024 * 1024;

/** Reads files block by block, the next one already while the last one is being worked on. */
export interface BlockReader {
  /** The bytes at `offset`, at most up to `end`; none at the end of the file as it is now. They are the caller's. */
  read(fd: number, offset: number, end: number): Promise<Buffer>;
  /** Resolves when nothing is being read any more: only then may descriptors be closed. */
  settle(): Promise<void>;
}

interface Ahead {
  readonly fd: number;
  readonly offset: number;
  readonly bytes: Promise<Buffer>;
}

export function createBlockReader(): BlockReader {
  let ahead: Ahead | undefined;

  async function settle(): Promise<Buffer | undefined> {
    const bytes = await ahead?.bytes.catch(() => undefined);
    ahead = undefined;
    return bytes;
  }

  return {
    async read(fd, offset, end) {
      const fits = ahead?.fd === fd && ahead.offset === offset;
      const early = await settle();
      // What came too early to see anything is no answer: there may be more by now.
      const bytes = fits && early !== undefined && early.length > 0 ? early : await readAt(fd, offset, end);
      const next = offset + bytes.length;
      if (bytes.length === BLOCK_BYTES && next < end)
        ahead = { fd, offset: next, bytes: readAt(fd, next, end) };
      return bytes;
    },
    async settle() {
      await settle();
    },
  };
}

async function readAt(fd: number, offset: number, end: number): Promise<Buffer> {
  const length = Math.min(BLOCK_BYTES, end - offset);
  if (length <= 0) return Buffer.alloc(0);
  const block = Buffer.allocUnsafe(length);
  const { bytesRead } = await read(fd, block, 0, length, offset);
  return block.subarray(0, bytesRead);
}
