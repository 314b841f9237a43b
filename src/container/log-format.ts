/**
 * conmon's k8s-file format: each record is a header of fixed length (conmon runs with TZ=UTC), content without
 * newline, and a newline. `F` ends a line of the process, `P` is a part of one: its newline is conmon's.
 * `2026-01-02T15:04:05.123456789+00:00 stdout F hello`
 */
export const HEADER_BYTES = 45;
/** `2026-01-02T15:04:05.123456789` */
const TIME_BYTES = 29;
const STREAM_AT = 36;
const TAG_AT = 43;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const FULL = 0x46;
const PART = 0x50;
/** Fourth letters of `stdout` and `stderr`. */
const LETTER_O = 0x6f;
const LETTER_E = 0x65;

export type LogStream = "stdout" | "stderr";

export interface LogChunk {
  readonly stream: LogStream;
  readonly bytes: Uint8Array;
}

export interface RecordHead {
  readonly stream: LogStream;
  /** True: the record ends a line. */
  readonly isFull: boolean;
}

/** The head of the record at `at`, of which all {@link HEADER_BYTES} are there; undefined when it is none. */
export function headAt(block: Buffer, at: number): RecordHead | undefined {
  const tag = block[at + TAG_AT];
  if (
    (tag !== FULL && tag !== PART) ||
    block[at + TAG_AT + 1] !== SPACE ||
    block[at + TAG_AT - 1] !== SPACE ||
    block[at + STREAM_AT - 1] !== SPACE
  )
    return undefined;
  return { stream: block[at + STREAM_AT + 3] === LETTER_O ? "stdout" : "stderr", isFull: tag === FULL };
}

/** Nanoseconds since 1970 as the beginning of a record's header: the two compare as bytes do. */
export function timeKey(nanos: bigint): Buffer {
  const clamped =
    nanos < 0n ? 0n : nanos > 253_402_300_799_999_999_999n ? 253_402_300_799_999_999_999n : nanos;
  const ms = Number(clamped / 1_000_000n);
  const seconds = new Date(ms).toISOString().slice(0, 19);
  return Buffer.from(`${seconds}.${String(clamped % 1_000_000_000n).padStart(9, "0")}`);
}

/** Below, at or above zero as the record at `at` is older than, as old as or newer than `key`. */
export function compareTime(block: Buffer, at: number, key: Buffer): number {
  return block.compare(key, 0, TIME_BYTES, at, at + TIME_BYTES);
}

export interface DecoderOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Keys of {@link timeKey}; both inclusive. */
  readonly since?: Buffer | undefined;
  readonly until?: Buffer | undefined;
  readonly timestamps: boolean;
  /** Goes before each line, after its time: `a=b,c=d `. */
  readonly prefix: string;
}

/** Turns the blocks of a log, cut anywhere, into what the process printed. */
export interface LogDecoder {
  /** Takes the block over: what it returns may lie in it. `perLine` gives each line a chunk of its own. */
  push(block: Buffer, perLine: boolean): LogChunk[];
  /** True once a record newer than `until` came. */
  readonly isOver: boolean;
}

export function createLogDecoder(options: DecoderOptions): LogDecoder {
  const { timestamps, prefix, until } = options;
  let { since } = options;
  const prefixBytes = Buffer.from(prefix);
  const inserts = timestamps || prefixBytes.length > 0;
  /** The beginning of a header that the last block ended in. */
  let carry: Buffer = Buffer.alloc(0);
  /** The record whose content goes on in the next block; null: shown to nobody. */
  let open: RecordHead | null | undefined;
  const midLine = { stdout: false, stderr: false };
  let isOver = false;

  function push(given: Buffer, perLine: boolean): LogChunk[] {
    const chunks: LogChunk[] = [];
    if (isOver) return chunks;
    const block = carry.length === 0 ? given : Buffer.concat([carry, given]);
    carry = carry.subarray(0, 0);
    // Headers are longer than times: only the prefix can make what goes out longer than what came in.
    const room =
      prefixBytes.length <= 8
        ? block
        : Buffer.allocUnsafe(block.length + Math.ceil(block.length / HEADER_BYTES) * prefixBytes.length);
    const isPlain = room === block && !inserts && until === undefined;
    let filled = 0;
    let runStart = 0;
    let runStream: LogStream = "stdout";
    const endRun = () => {
      if (filled > runStart) chunks.push({ stream: runStream, bytes: room.subarray(runStart, filled) });
      runStart = filled;
    };
    let at = 0;
    while (at < block.length) {
      if (isPlain && !perLine && since === undefined && open === undefined && options[runStream]) {
        ({ at, filled } = moveLines(block, { at, filled, stream: runStream }));
        if (at === block.length) break;
      }
      let head = open;
      if (head === undefined) {
        if (block.length - at < HEADER_BYTES) {
          // A line that is none, of a log that was damaged, may be shorter than a header.
          const newline = block.indexOf(NEWLINE, at);
          if (newline >= 0) {
            at = newline + 1;
            continue;
          }
          carry = Buffer.from(block.subarray(at));
          break;
        }
        head = headAt(block, at) ?? null;
        if (head === null) {
          const newline = block.indexOf(NEWLINE, at);
          at = newline < 0 ? block.length : newline + 1;
          if (newline < 0) open = null;
          continue;
        }
        if (since !== undefined) {
          if (compareTime(block, at, since) < 0) head = null;
          else since = undefined;
        }
        if (head !== null && until !== undefined && compareTime(block, at, until) > 0) {
          isOver = true;
          break;
        }
        if (head !== null && !options[head.stream]) head = null;
        if (head !== null) {
          if (head.stream !== runStream) {
            endRun();
            runStream = head.stream;
          }
          if (inserts && !midLine[head.stream]) {
            if (timestamps) {
              block.copy(room, filled, at, at + TIME_BYTES);
              filled += TIME_BYTES;
              room[filled++] = 0x5a;
              room[filled++] = SPACE;
            }
            if (prefixBytes.length > 0) filled += prefixBytes.copy(room, filled);
          }
          midLine[head.stream] = !head.isFull;
        }
        at += HEADER_BYTES;
      } else if (head !== null && head.stream !== runStream) {
        endRun();
        runStream = head.stream;
      }
      const newline = block.indexOf(NEWLINE, at);
      const end = newline < 0 ? block.length : newline;
      if (head !== null) {
        const stop = newline >= 0 && head.isFull ? end + 1 : end;
        if (room === block) block.copyWithin(filled, at, stop);
        else block.copy(room, filled, at, stop);
        filled += stop - at;
        if (perLine && newline >= 0 && head.isFull) endRun();
      }
      open = newline < 0 ? head : undefined;
      at = end + 1;
    }
    endRun();
    return chunks;
  }

  return {
    push,
    get isOver() {
      return isOver;
    },
  };
}

/** The usual case, in a loop of its own for its speed: moves whole lines of one stream together, as many as follow. */
function moveLines(
  block: Buffer,
  run: { readonly at: number; readonly filled: number; readonly stream: LogStream },
): { at: number; filled: number } {
  const letter = run.stream === "stdout" ? LETTER_O : LETTER_E;
  let { at, filled } = run;
  while (at + HEADER_BYTES < block.length) {
    if (
      block[at + TAG_AT] !== FULL ||
      block[at + STREAM_AT + 3] !== letter ||
      block[at + TAG_AT + 1] !== SPACE ||
      block[at + TAG_AT - 1] !== SPACE ||
      block[at + STREAM_AT - 1] !== SPACE
    )
      break;
    const end = block.indexOf(NEWLINE, at + HEADER_BYTES) + 1;
    if (end === 0) break;
    block.copyWithin(filled, at + HEADER_BYTES, end);
    filled += end - at - HEADER_BYTES;
    at = end;
  }
  return { at, filled };
}
