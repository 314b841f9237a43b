import { UsageError } from "../failure.ts";

const POWERS: Readonly<Record<string, number>> = { "": 0, b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Reads sizes of memory as Docker does, in powers of 1024: `64m`, `1.5g`, `1GiB`, `512`: bytes. Throws UsageError. */
export function parseMemorySize(given: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(given.trim());
  if (match === null) throw new UsageError(`invalid size: '${given}'`);
  return Math.floor(Number(match[1]) * 1024 ** (POWERS[(match[2] ?? "").toLowerCase()] ?? 0));
}
