import { PlyError } from "../error.ts";
import type { Healthcheck, ProcessConfig } from "../oci/index.ts";

const MILLISECOND = 1_000_000;
const SECOND_MS = 1000;

/** A health check with all that was left open filled in. Times in milliseconds. */
export interface HealthPlan {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

/** The container's check over the image's, field by field. Throws "invalid" in Docker's words. */
export function mergeHealthcheck(
  image: Healthcheck | undefined,
  given: Healthcheck | undefined,
): Pick<ProcessConfig, "Healthcheck"> {
  if (given !== undefined) checkHealthcheck(given);
  if (given?.Test?.[0] === "NONE") return { Healthcheck: { Test: ["NONE"] } };
  if (given === undefined) return image === undefined ? {} : { Healthcheck: image };
  const over = Object.entries(given).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value));
  const merged = { ...image, ...Object.fromEntries(over) };
  return Object.keys(merged).length === 0 ? {} : { Healthcheck: merged };
}

function checkHealthcheck(given: Healthcheck): void {
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    const value = given[field] ?? 0;
    if (value !== 0 && value < MILLISECOND)
      throw new PlyError("invalid", `${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((given.Retries ?? 0) < 0) throw new PlyError("invalid", "Retries in Healthcheck cannot be negative");
  const kind = given.Test?.[0] ?? "";
  if (!["", "NONE", "CMD", "CMD-SHELL"].includes(kind))
    throw new PlyError("invalid", `Unknown healthcheck type '${kind}' (expected 'CMD')`);
}

/** Undefined when the container has no check. */
export function healthPlan({ Healthcheck: check, Shell }: ProcessConfig): HealthPlan | undefined {
  const [kind, ...words] = check?.Test ?? [];
  if (check === undefined || words.length === 0 || (kind !== "CMD" && kind !== "CMD-SHELL")) return undefined;
  const shell = Shell !== undefined && Shell.length > 0 ? Shell : ["/bin/sh", "-c"];
  const ms = (nanoseconds: number | undefined, otherwise: number) =>
    nanoseconds ? Math.max(1, Math.round(nanoseconds / MILLISECOND)) : otherwise;
  return {
    args: kind === "CMD" ? words : [...shell, words[0] ?? ""],
    intervalMs: ms(check.Interval, 30 * SECOND_MS),
    timeoutMs: ms(check.Timeout, 30 * SECOND_MS),
    startPeriodMs: ms(check.StartPeriod, 0),
    startIntervalMs: ms(check.StartInterval, 5 * SECOND_MS),
    retries: check.Retries || 3,
  };
}
