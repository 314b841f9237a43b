import { constants } from "node:os";
import { PlyError } from "../error.ts";

const HIGHEST = 64;
const RTMIN = 34;

/** `SIGTERM`, `term`, `15`, `RTMIN+3` → the number. Throws "invalid" in Docker's words. */
export function parseSignal(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, "");
  const known: unknown = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  if (typeof known === "number") return known;
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  const number = realTime === null ? Number(name) : realTimeSignal(realTime);
  if (/^(\d{1,2}|RT.*)$/.test(name) && Number.isInteger(number) && number > 0 && number <= HIGHEST)
    return number;
  throw new PlyError("invalid", `invalid signal: ${text}`);
}

function realTimeSignal([, base, sign, digits]: RegExpExecArray): number {
  const offset = digits === undefined ? 0 : Number(digits);
  const number = (base === "MIN" ? RTMIN : HIGHEST) + (sign === "-" ? -offset : offset);
  return number >= RTMIN ? number : Number.NaN;
}
