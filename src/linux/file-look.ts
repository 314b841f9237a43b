import { repeatedCall, systemCallError } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const HIGH = 2 ** 32;

/** What tells a state of a file from any other: content or attributes that change give it another change time. */
export interface FileStamp {
  readonly device: number;
  /** Both halves: numbers of inodes may have 64 bits. */
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly size: number;
  readonly changedSeconds: number;
  readonly changedNanos: number;
}

/** What was looked at last, and its stamp until the next look. Times are since 1970, whole seconds rounded down. */
export interface FileLook extends FileStamp {
  /** Does not follow a link; `directory` is an open one that the path begins in. Throws "not-found" and so on. */
  at(path: Path, directory?: number): void;
  of(descriptor: number): void;
  /** With the bits of its type. */
  readonly mode: number;
  readonly links: number;
  readonly modifiedSeconds: number;
  readonly modifiedNanos: number;
  /** One that lasts. */
  stamp(): FileStamp;
  /** All of what was looked at last that nobody can change without a sign. */
  state(): FileState;
  /** Whether what was looked at last was in that state. */
  isAs(state: FileState): boolean;
  /** Whether all files of a roll are in this open directory and as they were. */
  areAs(roll: FileRoll, directory: number): boolean;
}

/** Words of struct statx, those of `STATE_WORDS`. */
export type FileState = Uint32Array;

/** Files of a directory and what they were when they were looked at. */
export interface FileRoll {
  /** With a NUL after each. */
  readonly names: Uint8Array;
  /** Where each name begins. */
  readonly starts: readonly number[];
  /** One after the other. */
  readonly states: FileState;
}

/** Links, mode, inode, size, change time, modification time, device. */
const STATE_WORDS = [4, 7, 8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35] as const;

/** Puts together what `areAs` compares with. */
export function fileRoll(files: readonly { readonly name: Path; readonly state: FileState }[]): FileRoll {
  const names = files.map(({ name }) => cString(name));
  // Of its own, not of a shared piece: its address is passed on.
  const joined = Buffer.allocUnsafeSlow(names.reduce((sum, { length }) => sum + length, 0));
  const states = new Uint32Array(files.length * STATE_WORDS.length);
  const starts: number[] = [];
  let end = 0;
  for (const [n, name] of names.entries()) {
    starts.push(end);
    end += name.copy(joined, end);
    states.set(files[n]?.state ?? [], n * STATE_WORDS.length);
  }
  return { names: joined, starts, states };
}

/** Room for a path; UTF-8 needs three bytes at most for a unit of a string. */
const PATH_BYTES = 4096;
const SHORT_UNITS = Math.floor(PATH_BYTES / 3) - 1;

/** statx(2) into one piece of memory: half of what lstat(2) takes through `node:fs`, and exact to the nanosecond. */
export function openFileLook(): FileLook {
  const { call, addressOf } = repeatedCall("statx");
  // The answer, a path and an empty one: one piece, so that none of it goes before the others.
  const memory = Buffer.alloc(STATX_BYTES + PATH_BYTES + 1);
  const words = new Uint32Array(memory.buffer, memory.byteOffset, STATX_BYTES / 4);
  const signed = new Int32Array(memory.buffer, memory.byteOffset, STATX_BYTES / 4);
  const answer = addressOf(memory);
  const path = answer + STATX_BYTES;
  const empty = path + PATH_BYTES;
  const word = (at: number): number => words[at] ?? 0;
  const long = (at: number): number => word(at + 1) * HIGH + word(at);
  const signedLong = (at: number): number => (signed[at + 1] ?? 0) * HIGH + word(at);
  const isStateAt = (states: FileState, from: number): boolean => {
    for (let at = 0; at < STATE_WORDS.length; at++)
      if (words[STATE_WORDS[at] as number] !== states[from + at]) return false;
    return true;
  };
  const check = (result: number, what: Path): void => {
    if (result < 0) throw systemCallError("statx", -result, pathText(what));
  };
  return {
    at(given, directory = AT_FDCWD) {
      let where = path;
      if (typeof given === "string" && given.length < SHORT_UNITS)
        memory[STATX_BYTES + memory.write(given, STATX_BYTES)] = 0;
      else where = addressOf(cString(given));
      check(call(directory, where, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, answer), given);
    },
    of: (fd) => check(call(fd, empty, AT_EMPTY_PATH, STATX_BASIC_STATS, answer), `descriptor ${fd}`),
    // Places of the fields as words: struct statx of linux/stat.h.
    get mode() {
      return word(7) & 0xffff;
    },
    get links() {
      return word(4);
    },
    get size() {
      return long(10);
    },
    get modifiedSeconds() {
      return signedLong(28);
    },
    get modifiedNanos() {
      return word(30);
    },
    get device() {
      return word(34) * HIGH + word(35);
    },
    get inodeLow() {
      return word(8);
    },
    get inodeHigh() {
      return word(9);
    },
    get changedSeconds() {
      return signedLong(24);
    },
    get changedNanos() {
      return word(26);
    },
    stamp() {
      const { device, inodeLow, inodeHigh, size, changedSeconds, changedNanos } = this;
      return { device, inodeLow, inodeHigh, size, changedSeconds, changedNanos };
    },
    state: () => Uint32Array.from(STATE_WORDS, word),
    isAs: (state) => isStateAt(state, 0),
    areAs({ names, starts, states }, directory) {
      const first = starts.length === 0 ? 0 : addressOf(names);
      let from = 0;
      for (const start of starts) {
        if (call(directory, first + start, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, answer) < 0) return false;
        if (!isStateAt(states, from)) return false;
        from += STATE_WORDS.length;
      }
      return true;
    },
  };
}
