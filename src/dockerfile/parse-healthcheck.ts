import { parseDuration } from "../duration.ts";
import type { Flags } from "./flags.ts";
import type { HealthcheckInstruction } from "./instruction.ts";
import { bad } from "./source.ts";
import { firstWord, jsonStrings } from "./words.ts";

type Check = HealthcheckInstruction["check"];
type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const DURATIONS = {
  interval: "Interval",
  timeout: "Timeout",
  "start-period": "StartPeriod",
  "start-interval": "StartInterval",
} as const;

export function healthcheckOf(flags: Flags, rest: string): Check {
  const [kind, command] = firstWord(rest);
  const type = kind.toUpperCase();
  if (type === "") throw bad("HEALTHCHECK requires at least one argument");
  if (type === "NONE") {
    if (command !== "") throw bad("HEALTHCHECK NONE takes no arguments");
    return { Test: ["NONE"] };
  }
  if (type !== "CMD") throw bad(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (command === "") throw bad("Missing command after HEALTHCHECK CMD");
  const exec = jsonStrings(command);
  const check: Writable<Check> = { Test: exec === undefined ? ["CMD-SHELL", command] : ["CMD", ...exec] };
  for (const [flag, field] of Object.entries(DURATIONS)) {
    const text = flags.text(flag);
    const nanoseconds = text === undefined ? 0 : nanosecondsOf(flag, text);
    if (nanoseconds !== 0) check[field] = nanoseconds;
  }
  const retries = flags.text("retries");
  if (retries !== undefined) {
    if (!/^\d+$/.test(retries)) throw bad(`--retries must be a whole number, not ${JSON.stringify(retries)}`);
    if (Number(retries) > 0) check.Retries = Number(retries);
  }
  return check;
}

/** At least 1 ms where it is not 0, as Docker demands. */
function nanosecondsOf(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw bad(`--${flag}: invalid duration ${JSON.stringify(text)}`);
  if (ms !== 0 && ms < 1) throw bad(`--${flag}: cannot be less than 1ms`);
  return Math.round(ms * 1e6);
}
