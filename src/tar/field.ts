import { PlyError } from "../error.ts";

/** Reads `length` bytes as a byte string (latin1), up to the first NUL. */
export function readString(block: Buffer, start: number, length: number): string {
  const nul = block.indexOf(0, start);
  const end = nul === -1 || nul > start + length ? start + length : nul;
  return end === start ? "" : block.toString("latin1", start, end);
}

/**
 * Reads a numeric header field: octal digits amid spaces and NULs, or GNU's base-256 two's complement
 * (first bit set). An empty field is 0. Throws "corrupt" on other text, on numbers past 2^53.
 */
export function readNumber(block: Uint8Array, start: number, length: number, what: string): number {
  const first = block[start] ?? 0;
  return (first & 0x80) !== 0
    ? readBase256(block, start, length, what)
    : readOctal(block, start, length, what);
}

function readOctal(block: Uint8Array, start: number, length: number, what: string): number {
  const end = start + length;
  let at = start;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; at < end; at++)
    if (block[at] !== 0x20 && block[at] !== 0) {
      // A NUL ends the field; some writers leave rubbish behind it.
      if (at > start && block[at - 1] === 0) break;
      throw new PlyError("corrupt", `tar: the ${what} field is not a number`);
    }
  return value;
}

function readBase256(block: Uint8Array, start: number, length: number, what: string): number {
  const negative = ((block[start] ?? 0) & 0x40) !== 0;
  let value = 0n;
  for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(block[start + i] ?? 0);
  // The top bit only marks the form; the next one is the sign of a number of 8 * length - 1 bits.
  const bits = BigInt(8 * length - 1);
  value &= (1n << bits) - 1n;
  if (negative) value -= 1n << bits;
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new PlyError("corrupt", `tar: the ${what} field is ${value}, more than this program can count`);
  return number;
}

/** Writes `value` as zero-padded octal with a final NUL; the caller knows that it fits. */
export function writeOctal(block: Uint8Array, start: number, length: number, value: number): void {
  let rest = value;
  block[start + length - 1] = 0;
  for (let i = start + length - 2; i >= start; i--) {
    block[i] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

/** Largest number that an octal field of `length` bytes (with its NUL) holds. */
export function octalMax(length: number): number {
  return 8 ** (length - 1) - 1;
}

const CHECKSUM_AT = 148;
const CHECKSUM_LENGTH = 8;

/** Sum of a header's bytes with the checksum field as spaces (POSIX pax, ustar interchange format). */
export function headerChecksum(block: Uint8Array, start: number): number {
  let sum = 8 * 0x20;
  const field = start + CHECKSUM_AT;
  for (let i = start; i < field; i++) sum += block[i] ?? 0;
  for (let i = field + CHECKSUM_LENGTH; i < start + 512; i++) sum += block[i] ?? 0;
  return sum;
}

/** True when the stored sum is that of unsigned bytes, or of signed bytes as some old writers took it. */
export function isChecksumRight(block: Uint8Array, start: number): boolean {
  let stored: number;
  try {
    stored = readNumber(block, start + CHECKSUM_AT, CHECKSUM_LENGTH, "checksum");
  } catch {
    return false;
  }
  const unsigned = headerChecksum(block, start);
  if (stored === unsigned) return true;
  let highBytes = 0;
  for (let i = start; i < start + 512; i++)
    if ((block[i] ?? 0) > 127 && (i < start + CHECKSUM_AT || i >= start + CHECKSUM_AT + CHECKSUM_LENGTH))
      highBytes++;
  return stored === unsigned - 256 * highBytes;
}

/** True when all bytes of the block are zero. */
export function isZeroBlock(block: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (block[i] !== 0) return false;
  return true;
}
