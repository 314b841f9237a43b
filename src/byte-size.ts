const DECIMAL_UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const LETTERS = ["", "k", "m", "g", "t", "p"];

/** Bytes in decimal units with this many significant digits, as Docker shows sizes: `4.26MB`, `0B`. */
export function formatSize(bytes: number, digits = 3): string {
  return shown(bytes, 1000, { units: DECIMAL_UNITS, digits });
}

/** Four significant digits in binary units, as Docker shows memory: `1.563MiB`. */
export function formatBinarySize(bytes: number): string {
  return shown(bytes, 1024, { units: BINARY_UNITS, digits: 4 });
}

/** Bytes of what Docker reads as memory, in powers of 1024 whatever they are called: `64m`, `1.5GB`, `1GiB`, `512`; undefined for other text. */
export function parseMemorySize(text: string): number | undefined {
  return counted(text, () => 1024);
}

/** Bytes of what Docker reads as the size of a log, in powers of 1000 whatever they are called: `10m`, `10MiB`; undefined for other text. */
export function parseLogSize(text: string): number | undefined {
  return counted(text, () => 1000);
}

/** Bytes of a size on disk, in ply's own settings: `20GB` and `500m` in powers of 1000, `1.5GiB` of 1024; undefined for other text. */
export function parseDiskSize(text: string): number | undefined {
  return counted(text, (unit) => (unit.includes("i") ? 1024 : 1000));
}

function shown(
  bytes: number,
  step: number,
  { units, digits }: { readonly units: readonly string[]; readonly digits: number },
): string {
  const rounded = (value: number): number => Number(value.toPrecision(digits));
  let value = Math.abs(bytes);
  let unit = 0;
  // The rounded value decides: 999.9 kB is shown as 1MB, not as 1000kB.
  for (; unit < units.length - 1 && rounded(value) >= step; unit++) value /= step;
  return `${bytes < 0 ? "-" : ""}${rounded(value)}${units[unit]}`;
}

function counted(text: string, stepOf: (unit: string) => number): number | undefined {
  const match = /^(\d{1,20}(?:\.\d*)?|\.\d+) ?([kmgtp]?(?:i?b)?)$/.exec(text.trim().toLowerCase());
  if (match === null) return undefined;
  const [, number, unit = ""] = match;
  return Math.floor(Number(number) * stepOf(unit) ** LETTERS.indexOf(unit.replace(/i?b$/, "")));
}
