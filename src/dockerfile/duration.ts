import { bad } from "./source.ts";

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** The `1m30s` of a flag in nanoseconds (Go's time.ParseDuration); at least 1 ms where it is not 0, as Docker demands. Throws "invalid". */
export function parseDuration(flag: string, text: string): number {
  if (text === "0") return 0;
  let total = 0;
  let rest = text;
  do {
    const part = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/.exec(rest);
    if (part === null) throw bad(`--${flag}: invalid duration ${JSON.stringify(text)}`);
    total += Number(part[1]) * (NANOSECONDS[part[2] ?? ""] ?? 0);
    rest = rest.slice(part[0].length);
  } while (rest !== "");
  if (total !== 0 && total < 1e6) throw bad(`--${flag}: cannot be less than 1ms`);
  return Math.round(total);
}
