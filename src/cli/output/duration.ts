import { formatDuration, parseLongDuration } from "../../duration.ts";
import { UsageError } from "../failure.ts";

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

/** {@link parseLongDuration} for a flag: throws UsageError. */
export function requireDuration(text: string): number {
  const ms = parseLongDuration(text);
  if (ms === undefined)
    throw new UsageError(`invalid duration ${JSON.stringify(text)}: write it as 7d, 12h or 1h30m`);
  return ms;
}
