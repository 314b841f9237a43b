import type { ContainerRecord } from "../container/index.ts";
import type { DockerHealth } from "../wire/index.ts";
import { formatTime } from "./timestamp.ts";

/** `State.Health`, for a container that has a check. */
export function healthOf({ health }: Pick<ContainerRecord, "health">): { readonly Health?: DockerHealth } {
  if (health === undefined) return {};
  return {
    Health: {
      Status: health.status,
      FailingStreak: health.failingStreak,
      Log: health.log.map(({ startedAt, endedAt, exitCode, output }) => ({
        Start: formatTime(startedAt),
        End: formatTime(endedAt),
        ExitCode: exitCode,
        Output: output,
      })),
    },
  };
}

/** What `ps` says behind the time it has been up: " (healthy)". */
export function healthWords({ health }: Pick<ContainerRecord, "health">): string {
  if (health === undefined) return "";
  return health.status === "starting" ? " (health: starting)" : ` (${health.status})`;
}
