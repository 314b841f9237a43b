import { UsageError } from "../failure.ts";

const DECIMAL_UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const STEP = 1000;

/** Bytes in decimal units with this many significant digits, as Docker shows sizes: `4.26MB`, `0B`. */
export function formatSize(bytes: number, digits = 3): string {
  let value = Math.abs(bytes);
  let unit = 0;
  // The rounded value decides: 999.9 kB is shown as 1MB, not as 1000kB.
  const roundsToStep = STEP - 0.5 * 10 ** (3 - digits);
  while (unit < DECIMAL_UNITS.length - 1 && value >= roundsToStep) {
    value /= STEP;
    unit++;
  }
  return `${bytes < 0 ? "-" : ""}${Number(value.toPrecision(digits))}${DECIMAL_UNITS[unit]}`;
}

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Reads `20GB`, `1.5GiB`, `500m`, `1024`: bytes. Throws UsageError. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const factor = match === null ? undefined : FACTORS[(match[2] ?? "").toLowerCase()];
  if (match === null || factor === undefined)
    throw new UsageError(`invalid size ${JSON.stringify(text)}: write it as 20GB, 500MB or 1.5GiB`);
  return Math.round(Number(match[1]) * factor);
}
