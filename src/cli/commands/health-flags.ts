import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { requireDuration } from "../output/index.ts";

export const HEALTH_FLAGS = {
  "health-cmd": { kind: "string", value: "COMMAND", help: "Command whose exit code says whether it is well" },
  "health-interval": { kind: "string", value: "TIME", help: "Time between two checks (30s)" },
  "health-timeout": { kind: "string", value: "TIME", help: "Longest that a check may take (30s)" },
  "health-retries": { kind: "int", value: "N", help: "Failures in a row that make it unhealthy (3)" },
  "health-start-period": { kind: "string", value: "TIME", help: "Time to get ready: failures do not count" },
  "health-start-interval": {
    kind: "string",
    value: "TIME",
    help: "Time between checks while it gets ready (5s)",
  },
  "no-healthcheck": { kind: "bool", help: "Without the image's health check" },
  "on-unhealthy": {
    kind: "string",
    choices: ["none", "stop", "restart"],
    help: "What to do with it when it becomes unhealthy",
  },
} as const satisfies FlagSpecs;

const NANOSECONDS = 1_000_000;

/** `Healthcheck` of Docker's create body; nothing when nothing is asked for. */
export function healthcheckOf(flags: FlagValues<typeof HEALTH_FLAGS>): { readonly Healthcheck?: object } {
  const command = flags["health-cmd"];
  const retries = flags["health-retries"];
  const times = {
    Interval: flags["health-interval"],
    Timeout: flags["health-timeout"],
    StartPeriod: flags["health-start-period"],
    StartInterval: flags["health-start-interval"],
  };
  const given = Object.entries(times).flatMap(([name, time]) =>
    time === undefined ? [] : [[name, Math.round(requireDuration(time) * NANOSECONDS)] as const],
  );
  const asks = command !== undefined || retries !== undefined || given.length > 0;
  if (flags["no-healthcheck"]) {
    if (asks) throw new UsageError("--no-healthcheck conflicts with --health-* options");
    return { Healthcheck: { Test: ["NONE"] } };
  }
  if (!asks) return {};
  if (retries !== undefined && retries < 0) throw new UsageError("--health-retries cannot be negative");
  return {
    Healthcheck: {
      ...(command === undefined ? {} : { Test: command === "" ? ["NONE"] : ["CMD-SHELL", command] }),
      ...Object.fromEntries(given),
      ...(retries === undefined ? {} : { Retries: retries }),
    },
  };
}
