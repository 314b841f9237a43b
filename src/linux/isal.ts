import type * as BunFfi from "bun:ffi";

/**
 * Places in `struct inflate_state` (igzip_lib.h of ISA-L 2.30, as Debian 12 has it; unchanged up to 2.31
 * and the sources of July 2026). The library's soname vouches for them, {@link openIsal} tries them.
 */
const STATE = {
  nextOut: 0,
  availOut: 8,
  totalOut: 12,
  nextIn: 16,
  availIn: 32,
  blockState: 21_160,
  crcFlag: 21_172,
} as const;

/** The struct has 87,368 bytes; more, so that a later, larger one does no harm. */
const STATE_BYTES = 256 * 1024;

/**
 * `ISAL_GZIP_NO_HDR_VER`: deflate data, then gzip's trailer, whose checksum and length are compared. (With `ISAL_GZIP` it
 * would read the header too, but forgets the header's flags where the input is cut within it.)
 */
const CRC_FLAG_TRAILER = 6;
/** `ISAL_BLOCK_FINISH`: the member's trailer has been read. */
const BLOCK_FINISH = 5;

/** Return values of isal_inflate that say what is wrong. */
const MEANING: ReadonlyMap<number, string> = new Map([
  [-1, "an invalid block"],
  [-2, "an invalid symbol"],
  [-3, "a reference to before the start"],
  [-6, "checksum or length do not match"],
]);

/** What one call did. The object is used again by the next call. */
export interface IsalStep {
  /** Bytes taken from the input and put into the output. */
  consumed: number;
  produced: number;
  /** The gzip member is complete, its checksum and length right. */
  isFinished: boolean;
  /** What is wrong with the input; then nothing more can be done with it. */
  problem: string | undefined;
}

/** One gzip member, behind its header, being inflated by ISA-L. Not for use by two threads at once. */
export interface IsalInflater {
  /** Forgets everything: the next bytes start a new member. */
  reset(): void;
  /** Takes from `input` as much as fits into `output`. Neither is kept. */
  inflate(input: Uint8Array, output: Uint8Array): IsalStep;
}

export interface Isal {
  createInflater(): IsalInflater;
}

interface Symbols {
  readonly isal_inflate_init: (state: BunFfi.Pointer) => void;
  readonly isal_inflate_reset: (state: BunFfi.Pointer) => void;
  readonly isal_inflate: (state: BunFfi.Pointer) => number;
}

export const ISAL_LIBRARY = "libisal.so.2";

/** What calls the library's functions; undefined where nothing does: no Bun, another processor. */
export function ffiForIsal(): typeof BunFfi | undefined {
  if (process.versions["bun"] === undefined || !isLittleEndian64()) return undefined;
  return process.getBuiltinModule("bun:ffi") as unknown as typeof BunFfi | undefined;
}

/**
 * Opens Debian's `libisal.so.2`, which inflates three times as fast as zlib. Undefined where it cannot be
 * used: no Bun, no library, or one that fails to inflate a known text in odd pieces.
 */
export function openIsal(libraryName = ISAL_LIBRARY): Isal | undefined {
  const ffi = ffiForIsal();
  if (ffi === undefined) return undefined;
  try {
    const { symbols } = ffi.dlopen(libraryName, {
      isal_inflate_init: { args: ["ptr"], returns: "void" },
      isal_inflate_reset: { args: ["ptr"], returns: "void" },
      isal_inflate: { args: ["ptr"], returns: "i32" },
    });
    const isal = { createInflater: () => createInflater(symbols, (bytes) => ffi.ptr(bytes)) };
    return isAbiRight(isal) ? isal : undefined;
  } catch {
    return undefined;
  }
}

function isLittleEndian64(): boolean {
  return process.arch === "x64" || process.arch === "arm64";
}

function createInflater(symbols: Symbols, address: (bytes: Uint8Array) => BunFfi.Pointer): IsalInflater {
  const state = new Uint8Array(STATE_BYTES);
  const view = new DataView(state.buffer);
  const pointer = address(state);
  symbols.isal_inflate_init(pointer);
  view.setUint32(STATE.crcFlag, CRC_FLAG_TRAILER, true);
  const step: IsalStep = { consumed: 0, produced: 0, isFinished: false, problem: undefined };
  return {
    reset: () => symbols.isal_inflate_reset(pointer),
    inflate: (input, output) => {
      // An empty view has no address.
      view.setBigUint64(STATE.nextIn, input.length === 0 ? 0n : BigInt(address(input)), true);
      view.setUint32(STATE.availIn, input.length, true);
      view.setBigUint64(STATE.nextOut, BigInt(address(output)), true);
      view.setUint32(STATE.availOut, output.length, true);
      const result = symbols.isal_inflate(pointer);
      step.consumed = input.length - view.getUint32(STATE.availIn, true);
      step.produced = output.length - view.getUint32(STATE.availOut, true);
      step.isFinished = result === 0 && view.getUint32(STATE.blockState, true) === BLOCK_FINISH;
      step.problem = result === 0 ? undefined : (MEANING.get(result) ?? `ISA-L error ${result}`);
      return step;
    },
  };
}

/** `ABCABCABC…`, 600 bytes, deflated, with gzip's trailer. */
const SAMPLE = "c3RydhxFo4jaCAA4UntMWAIAAA==";

/** Inflates the sample in pieces of 5 and 7 bytes, so that every field that is named above has to be right. */
function isAbiRight(isal: Isal): boolean {
  const input = Uint8Array.from(Buffer.from(SAMPLE, "base64"));
  const inflater = isal.createInflater();
  const output = new Uint8Array(7);
  for (let round = 0; round < 2; round++) {
    let text = "";
    let at = 0;
    let isFinished = false;
    // Bounded: a wrong offset must not make this run for ever.
    for (let calls = 0; calls < 1000 && !isFinished; calls++) {
      const step = inflater.inflate(input.subarray(at, at + 5), output);
      if (step.problem !== undefined) return false;
      if (step.consumed < 0 || step.produced < 0 || step.produced > output.length) return false;
      text += Buffer.from(output.subarray(0, step.produced)).toString("latin1");
      at += step.consumed;
      isFinished = step.isFinished;
    }
    if (!isFinished || at !== input.length || text !== "ABC".repeat(200)) return false;
    inflater.reset();
  }
  const spoilt = Uint8Array.from(input);
  spoilt[spoilt.length - 8] = (spoilt[spoilt.length - 8] ?? 0) ^ 1;
  return inflater.inflate(spoilt, new Uint8Array(1024)).problem !== undefined;
}
