const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const GO_UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
};
const LONG_UNITS_MS: Readonly<Record<string, number>> = { ...GO_UNITS_MS, d: DAY_MS, w: 7 * DAY_MS };

/** Milliseconds of a span as Go's `time.ParseDuration` reads it, without a sign: `1h30m`, `.5s`, `0`; undefined for other text. */
export function parseDuration(text: string): number | undefined {
  return spanIn(GO_UNITS_MS, text);
}

/** The same with days and weeks, which Docker does not know: `7d`, `2w`. */
export function parseLongDuration(text: string): number | undefined {
  return spanIn(LONG_UNITS_MS, text);
}

function spanIn(units: Readonly<Record<string, number>>, text: string): number | undefined {
  if (text === "0") return 0;
  let ms = 0;
  let read = 0;
  for (const [part, number, unit = ""] of text.matchAll(/(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})([a-zµμ]+)/gy)) {
    const factor = units[unit];
    if (factor === undefined) return undefined;
    ms += Number(number) * factor;
    read += part.length;
  }
  return read === 0 || read < text.length ? undefined : ms;
}

/** How long, in Docker's words: "About a minute", "2 hours", "3 weeks". What is below nothing is nothing. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / SECOND_MS);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(ms / MINUTE_MS);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(ms / HOUR_MS);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
