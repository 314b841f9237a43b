import { UsageError } from "../failure.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long, in the words Docker's users know: "About a minute", "2 hours", "3 weeks". */
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

/** "2 hours ago". */
export function formatAgo(atMs: number, nowMs: number): string {
  return `${formatDuration(nowMs - atMs)} ago`;
}

/** A short span for progress lines: `8s`, `2m05s`, `1h02m`. */
export function formatSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};

/** Reads `90s`, `1h30m`, `7d`, `2w`: milliseconds. Undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g))
    total += Number(number) * (UNITS_MS[unit ?? ""] ?? 0);
  return total;
}

/** {@link parseDuration} for a flag: throws UsageError. */
export function requireDuration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new UsageError(`invalid duration ${JSON.stringify(text)}: write it as 7d, 12h or 1h30m`);
  return ms;
}
