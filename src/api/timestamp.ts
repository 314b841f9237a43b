import { PlyError } from "../error.ts";

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/**
 * Docker's ways to name a moment, as nanoseconds since 1970: Unix seconds with up to nine decimals, RFC 3339 or its
 * beginning (`2026-01-02`, local parts are UTC), or a Go duration back from `nowMs` (`10m`, `1h30m`).
 * Throws "invalid".
 */
export function parseTimestamp(text: string, nowMs: number): bigint {
  const unix = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix !== null) return BigInt(unix[1] ?? 0) * 1_000_000_000n + BigInt((unix[2] ?? "").padEnd(9, "0"));
  const back = parseDuration(text);
  if (back !== undefined) return BigInt(nowMs) * 1_000_000n - back;
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

/** A Go duration as nanoseconds; undefined when it is none. */
export function parseDuration(text: string): bigint | undefined {
  if (!/^(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let nanos = 0n;
  for (const [, whole = "0", fraction = "", unit = "s"] of text.matchAll(
    /(\d+)(?:\.(\d+))?(ns|us|µs|ms|s|m|h)/g,
  )) {
    const scale = UNIT_NANOS[unit] ?? 1n;
    nanos += BigInt(whole) * scale + (BigInt(fraction.padEnd(9, "0")) * scale) / 1_000_000_000n;
  }
  return nanos;
}

/** RFC 3339 as Docker prints it; year 1 stands for never. */
export function formatTime(ms: number | null): string {
  return ms === null ? "0001-01-01T00:00:00Z" : new Date(ms).toISOString().replace("Z", "000000Z");
}

/** Docker's words for a span: "About a minute", "3 hours". */
export function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 14) return `${days} days`;
  if (hours < 24 * 60) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
