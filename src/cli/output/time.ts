import { parseLongDuration } from "../../duration.ts";
import { UsageError } from "../failure.ts";

const two = (n: number): string => String(n).padStart(2, "0");

function offsetOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const absolute = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(absolute / 60))}${two(absolute % 60)}`;
}

function localParts(date: Date): { day: string; clock: string } {
  return {
    day: `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    clock: `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
  };
}

/**
 * Local time as Docker's `CreatedAt` has it: `2026-05-01 12:00:00 +0200 +0200`, `… +0000 UTC`. The name of other
 * zones would need ICU, 12 ms at start; Go too repeats the offset where it knows no name.
 */
export function formatTimestamp(atMs: number): string {
  const date = new Date(atMs);
  const { day, clock } = localParts(date);
  const offset = offsetOf(date);
  return `${day} ${clock} ${offset} ${offset === "+0000" ? "UTC" : offset}`;
}

/** Local RFC 3339: `2026-05-01T12:00:00+02:00`; with nanoseconds, `2026-05-01T12:00:00.123456789+02:00`. */
export function formatRfc3339(atMs: number, nanoseconds?: number): string {
  const date = new Date(atMs);
  const { day, clock } = localParts(date);
  const offset = offsetOf(date);
  const fraction = nanoseconds === undefined ? "" : `.${String(nanoseconds).padStart(9, "0")}`;
  return `${day}T${clock}${fraction}${offset === "+0000" ? "Z" : `${offset.slice(0, 3)}:${offset.slice(3)}`}`;
}

/**
 * A point in time as `--since` and `until=` take it: a span before now (`10m`, `7d`), seconds since 1970
 * (`1700000000.5`), or RFC 3339 with parts left out (`2026-05-01`, local). Milliseconds since 1970; throws UsageError.
 */
export function parseTime(text: string, nowMs: number): number {
  if (/^\d{1,12}(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  const span = parseLongDuration(text);
  if (span !== undefined) return nowMs - span;
  const match =
    /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
      text,
    );
  if (match !== null) {
    const [, year, month, day, hour = "00", minute = "00", second = "00", zone = ""] = match;
    const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second.padEnd(2, "0")}${zone}`);
    if (!Number.isNaN(at)) return at;
  }
  throw new UsageError(
    `invalid time ${JSON.stringify(text)}: write it as 10m, 7d, 2026-05-01, 2026-05-01T12:00:00Z or seconds since 1970`,
  );
}

/** Seconds with fraction, as the Docker API takes points in time. */
export function toEpochSeconds(ms: number): string {
  return (ms / 1000).toFixed(3).replace(/\.?0+$/, "");
}
