import { parseDuration } from "../duration.ts";
import { PlyError } from "../error.ts";

/**
 * Docker's ways to name a moment, as nanoseconds since 1970: Unix seconds with up to nine decimals, RFC 3339 or its
 * beginning (`2026-01-02`, local parts are UTC), or a Go duration back from `nowMs` (`10m`, `1h30m`).
 * Throws "invalid".
 */
export function parseTimestamp(text: string, nowMs: number): bigint {
  const unix = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null) return BigInt(unix[1] ?? 0) * 1_000_000_000n + BigInt((unix[2] ?? "").padEnd(9, "0"));
  const back = parseDuration(text);
  if (back !== undefined) return BigInt(nowMs) * 1_000_000n - BigInt(Math.round(back * 1e6));
  const rfc = /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d(?::\d\d)?)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?$/.exec(
    text,
  );
  if (rfc !== null) {
    const [, date, time = "00:00:00", fraction = "", zone = "Z"] = rfc;
    const ms = Date.parse(`${date}T${time.padEnd(8, ":00:00".slice(time.length - 8))}${zone}`);
    if (!Number.isNaN(ms)) return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
  }
  throw new PlyError("invalid", `invalid timestamp ${JSON.stringify(text)}`, {
    hint: "use Unix seconds, RFC 3339 (2026-01-02T15:04:05Z) or a duration back from now (24h)",
  });
}

/** {@link parseTimestamp} in whole milliseconds since 1970. */
export function parseTimestampMs(text: string, nowMs: number): number {
  return Number(parseTimestamp(text, nowMs) / 1_000_000n);
}

/** RFC 3339 as Docker prints it; year 1 stands for never. */
export function formatTime(ms: number | null): string {
  return ms === null ? "0001-01-01T00:00:00Z" : new Date(ms).toISOString().replace("Z", "000000Z");
}
