import { PlyError } from "../error.ts";

/** A 64-bit field as a number; throws when it has none. */
export function safe(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw damaged(`${what} ${value}`);
  return number;
}

/** The error for an image that makes no sense. */
export function damaged(what: string): PlyError {
  return new PlyError("corrupt", `the EROFS image is damaged: ${what}`);
}
