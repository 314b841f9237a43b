import { filterThrough } from "../process.ts";
import { type SpooledTree, spoolTar } from "./context-tree.ts";

/** One tar header: enough to tell. */
const HEAD_BYTES = 512;

/** Whether what begins so may be a tar archive, compressed or not. */
export function mayBeArchive(head: Buffer): boolean {
  return filterOf(head) !== undefined;
}

/**
 * Takes an archive in, plain or compressed with gzip, zstd, bzip2 or xz, as `spoolTar` does; dispose the tree to
 * remove the file. Throws "corrupt" for what is none.
 */
export async function spoolArchive(
  archive: AsyncIterable<Uint8Array>,
  file: string,
  signal: AbortSignal,
): Promise<SpooledTree> {
  const source = archive[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  let isDone = false;
  while (!isDone && head.length < HEAD_BYTES) {
    const next = await source.next();
    if (next.done === true) isDone = true;
    else head = Buffer.concat([head, next.value]);
  }
  const whole = (async function* () {
    yield head;
    if (!isDone) yield* { [Symbol.asyncIterator]: () => source };
  })();
  const [command, ...args] = filterOf(head.subarray(0, HEAD_BYTES)) ?? [];
  return await spoolTar(
    command === undefined ? whole : filterThrough(command, args, whole, signal),
    file,
    signal,
  );
}

/** How to get at the tar: nothing to do for what we read ourselves; undefined for what cannot be one. */
function filterOf(head: Buffer): readonly string[] | undefined {
  const starts = (...bytes: number[]) => bytes.every((byte, n) => head[n] === byte);
  if (starts(0x1f, 0x8b) || starts(0x28, 0xb5, 0x2f, 0xfd)) return [];
  if (starts(0x42, 0x5a, 0x68)) return ["bzip2", "-dc"];
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return ["xz", "-dc"];
  return head.length >= HEAD_BYTES && hasTarChecksum(head.subarray(0, HEAD_BYTES)) ? [] : undefined;
}

/** Bytes 148 to 155 of a header are the sum of all, with blanks in their own place (POSIX ustar). */
function hasTarChecksum(head: Buffer): boolean {
  const written = Number.parseInt(head.toString("latin1", 148, 156).replace(/[^0-7]/g, ""), 8);
  const sum = head.reduce((total, byte, n) => total + (n >= 148 && n < 156 ? 0x20 : byte), 0);
  return written === sum;
}
