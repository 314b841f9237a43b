import { PlyError } from "../error.ts";

/** What follows the end of a container's process. */
export interface RestartPolicy {
  readonly name: "no" | "always" | "on-failure" | "unless-stopped";
  /** Of `on-failure`: how often at most; 0 is without end. */
  readonly maximumRetries: number;
}

const NAMES: ReadonlySet<string> = new Set(["no", "always", "on-failure", "unless-stopped"]);
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 60_000;
/** A run at least this long was no failure to start: the next delay is the first again. */
const STEADY_MS = 10_000;

/** Checks what a client asked for, in Docker's words. An empty name means "no". Throws "invalid". */
export function restartPolicy(name: string, maximumRetries: number): RestartPolicy {
  const known = name === "" ? "no" : name;
  if (!isPolicyName(known))
    throw new PlyError(
      "invalid",
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  if (maximumRetries !== 0 && known !== "on-failure")
    throw new PlyError(
      "invalid",
      "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    );
  if (maximumRetries < 0)
    throw new PlyError("invalid", "invalid restart policy: maximum retry count cannot be negative");
  return { name: known, maximumRetries };
}

function isPolicyName(name: string): name is RestartPolicy["name"] {
  return NAMES.has(name);
}

/** How a container's run ended. */
export interface RunEnd {
  readonly exitCode: number;
  /** Somebody stopped it, and did not start it since. */
  readonly manuallyStopped: boolean;
  /** Restarts by policy since it was last started by hand. */
  readonly restartCount: number;
}

/** True when the policy starts it again after this end. */
export function restartsAfter(policy: RestartPolicy | undefined, end: RunEnd): boolean {
  if (end.manuallyStopped) return false;
  return isWanted(policy, end);
}

/** True when an engine that starts is to start this container, which does not run. `always` forgets a stop by hand. */
export function startsWithEngine(policy: RestartPolicy | undefined, end: RunEnd): boolean {
  return (!end.manuallyStopped || policy?.name === "always") && isWanted(policy, end);
}

function isWanted(policy: RestartPolicy | undefined, { exitCode, restartCount }: RunEnd): boolean {
  switch (policy?.name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return exitCode !== 0 && (policy.maximumRetries === 0 || restartCount < policy.maximumRetries);
    default:
      return false;
  }
}

/** Milliseconds until the next start: 100, doubled each time up to a minute, from the beginning after a steady run. */
export function nextDelay(previousMs: number | undefined, ranMs: number): number {
  if (previousMs === undefined || ranMs >= STEADY_MS) return FIRST_DELAY_MS;
  return Math.min(previousMs * 2, MAX_DELAY_MS);
}
