import type * as BunFfi from "bun:ffi";
import { ffiForIsal, ISAL_LIBRARY } from "./isal.ts";

/** Places in `struct isal_zstream` (igzip_lib.h of ISA-L 2.30, as Debian 12 has it). {@link openIsalDeflater} tries them. */
const STREAM = {
  nextIn: 0,
  availIn: 8,
  nextOut: 16,
  availOut: 24,
  level: 40,
  levelBufferSize: 44,
  levelBuffer: 48,
  flush: 58,
} as const;

/** The struct has some 83 KB; more, so that a later, larger one does no harm. */
const STREAM_BYTES = 256 * 1024;

/** `SYNC_FLUSH`: an empty stored block at the end, so that the next block begins on a byte. */
const SYNC_FLUSH = 1;

/**
 * `ISAL_DEF_LVL1_SMALL` and `ISAL_DEF_LVL2_SMALL`: the hash table, and symbols for one Huffman table. Smaller ones fit their table
 * better: 1 % fewer bytes than with the default of the library, in a tenth more time.
 */
const LEVEL_BUFFER_BYTES: Readonly<Record<IsalLevel, number>> = {
  1: 4096 + 2 * 8192 + 4 * 16 * 1024,
  2: 4096 + 2 * 32_768 + 4 * 16 * 1024,
};

/** Level 3 is left out: it gives other bytes on a processor with AVX2, and yet others with AVX-512. */
export type IsalLevel = 1 | 2;

/** A block of a deflate stream that goes on behind it. */
export interface IsalBlock {
  readonly input: Uint8Array;
  /** Up to 32 KB that stand before it, which it may refer to; may be empty. */
  readonly dictionary: Uint8Array;
  readonly level: IsalLevel;
}

/** Deflates blocks, several times as fast as zlib. Not for use by two threads at once. */
export interface IsalDeflater {
  /** Fills `output` from its start ({@link isalBound} bytes suffice); returns how far. The same block gives the same bytes. */
  deflate(block: IsalBlock, output: Uint8Array): number;
}

/** Room for what `bytes` deflate to at most: stored blocks, and the flush. */
export function isalBound(bytes: number): number {
  return bytes + (bytes >>> 4) + 1024;
}

interface Symbols {
  readonly isal_deflate_init: (stream: BunFfi.Pointer) => void;
  readonly isal_deflate_set_dict: (
    stream: BunFfi.Pointer,
    dictionary: BunFfi.Pointer,
    length: number,
  ) => number;
  readonly isal_deflate: (stream: BunFfi.Pointer) => number;
}

/**
 * Opens Debian's `libisal.so.2` for deflating. Undefined where it cannot be used: no Bun, no library, or one that does
 * not deflate a known text to the known bytes.
 */
export function openIsalDeflater(libraryName = ISAL_LIBRARY): IsalDeflater | undefined {
  const ffi = ffiForIsal();
  if (ffi === undefined) return undefined;
  try {
    const { symbols } = ffi.dlopen(libraryName, {
      isal_deflate_init: { args: ["ptr"], returns: "void" },
      isal_deflate_set_dict: { args: ["ptr", "ptr", "u32"], returns: "i32" },
      isal_deflate: { args: ["ptr"], returns: "i32" },
    });
    const deflater = createDeflater(symbols, (bytes) => ffi.ptr(bytes));
    return isAbiRight(deflater) ? deflater : undefined;
  } catch {
    return undefined;
  }
}

function createDeflater(symbols: Symbols, address: (bytes: Uint8Array) => BunFfi.Pointer): IsalDeflater {
  // In one piece: nothing else would keep the level's buffer from the garbage collector.
  const memory = new Uint8Array(STREAM_BYTES + Math.max(...Object.values(LEVEL_BUFFER_BYTES)));
  const stream = new DataView(memory.buffer);
  const pointer = address(memory);
  return {
    deflate: ({ input, dictionary, level }, output) => {
      symbols.isal_deflate_init(pointer);
      stream.setUint32(STREAM.level, level, true);
      stream.setUint32(STREAM.levelBufferSize, LEVEL_BUFFER_BYTES[level], true);
      stream.setBigUint64(STREAM.levelBuffer, BigInt(pointer) + BigInt(STREAM_BYTES), true);
      stream.setUint16(STREAM.flush, SYNC_FLUSH, true);
      if (dictionary.length > 0)
        check(symbols.isal_deflate_set_dict(pointer, address(dictionary), dictionary.length));
      // An empty view has no address.
      stream.setBigUint64(STREAM.nextIn, input.length === 0 ? 0n : BigInt(address(input)), true);
      stream.setUint32(STREAM.availIn, input.length, true);
      stream.setBigUint64(STREAM.nextOut, BigInt(address(output)), true);
      stream.setUint32(STREAM.availOut, output.length, true);
      check(symbols.isal_deflate(pointer));
      const left = stream.getUint32(STREAM.availOut, true);
      // With no room left it may have more to say.
      if (stream.getUint32(STREAM.availIn, true) !== 0 || left === 0 || left > output.length)
        throw new RangeError(`ISA-L did not deflate ${input.length} bytes into ${output.length}`);
      return output.length - left;
    },
  };
}

function check(result: number): void {
  if (result !== 0) throw new Error(`ISA-L error ${result}`);
}

/** `ABCABC…`: 300 bytes behind 300 others, by either level. */
const SAMPLE = Buffer.from("ABC".repeat(100));
const DEFLATED = "GiWJJwEAAAD//w==";

function isAbiRight(deflater: IsalDeflater): boolean {
  const output = new Uint8Array(isalBound(SAMPLE.length));
  return ([1, 2] as const).every((level) => {
    const length = deflater.deflate({ input: SAMPLE, dictionary: SAMPLE, level }, output);
    return Buffer.from(output.subarray(0, length)).toString("base64") === DEFLATED;
  });
}
