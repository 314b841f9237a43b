import { ftruncateSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import type { TarEntry } from "../tar/index.ts";

/** Less than this is written at once: handing it to another thread takes longer. */
const LONG_WRITE = 64 * 1024;
/** What most filesystems can leave out. */
const HOLE_BYTES = 4096;
const ZEROS = Buffer.alloc(64 * HOLE_BYTES);
const writeTo = promisify(write);

/** Writes the stored data of one entry, in the order they come, to where they belong in a new file. */
export interface FileWriter {
  /** A promise only when it takes long; the bytes are the caller's again once it is done. */
  write(stored: Uint8Array): Promise<void> | undefined;
  /** Gives the file its size. */
  end(): void;
}

/** Holes are passed over, not written, however long they are. Throws the kernel's error (EFBIG) for a size that cannot be. */
export function createFileWriter(fd: number, { size, extents }: TarEntry): FileWriter {
  const runs = extents ?? [{ offset: 0, length: size }];
  let run = 0;
  /** Bytes written of the run. */
  let done = 0;
  let end = 0;
  // An archive may claim any size: that is found out before anything is written.
  if (extents !== undefined) {
    ftruncateSync(fd, size);
    end = size;
  }

  /** What of the data is to be written, and where. */
  function* placed(stored: Uint8Array): Generator<readonly [bytes: Uint8Array, position: number]> {
    for (let at = 0; at < stored.length; ) {
      const { offset, length } = runs[run] ?? { offset: end, length: 0 };
      const bytes = stored.subarray(at, at + length - done);
      if (bytes.length === 0) return;
      yield* withoutZeros(bytes, offset + done);
      at += bytes.length;
      done += bytes.length;
      if (done === length) {
        run++;
        done = 0;
      }
    }
  }

  async function writeLong(stored: Uint8Array): Promise<void> {
    for (const [bytes, position] of placed(stored)) {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await writeTo(fd, bytes, at, bytes.length - at, position + at);
        at += bytesWritten;
      }
      end = Math.max(end, position + bytes.length);
    }
  }

  return {
    write(stored) {
      const isScattered = stored.length > (runs[run]?.length ?? 0) - done;
      if (isScattered || stored.length >= LONG_WRITE) return writeLong(stored);
      for (const [bytes, position] of placed(stored)) {
        for (let at = 0; at < bytes.length; )
          at += writeSync(fd, bytes, at, bytes.length - at, position + at);
        end = Math.max(end, position + bytes.length);
      }
      return undefined;
    },
    end() {
      if (end < size) ftruncateSync(fd, size);
    },
  };
}

/** Blocks of zeros are left to the filesystem, which keeps holes for nothing: archives do not tell the one from the other. */
function* withoutZeros(
  chunk: Uint8Array,
  position: number,
): Generator<readonly [bytes: Uint8Array, position: number]> {
  let from = 0;
  for (let at = 0; at < chunk.length; ) {
    // Blocks of the file, not of the chunk.
    const end = Math.min(chunk.length, at + HOLE_BYTES - ((position + at) % HOLE_BYTES));
    const isZero = (to: number): boolean => ZEROS.compare(chunk, at, to, 0, to - at) === 0;
    if (chunk[at] !== 0 || !isZero(end)) {
      at = end;
      continue;
    }
    if (from < at) yield [chunk.subarray(from, at), position + from];
    // Holes are long: looked over in long steps.
    const far = Math.min(chunk.length, at + ZEROS.length);
    at = isZero(far) ? far : end;
    from = at;
  }
  if (from < chunk.length) yield [chunk.subarray(from), position + from];
}
