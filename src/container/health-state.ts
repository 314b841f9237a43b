/** What the health check of a container found. */
export interface HealthState {
  readonly status: "starting" | "healthy" | "unhealthy";
  readonly failingStreak: number;
  /** The last ones, oldest first. */
  readonly log: readonly HealthResult[];
}

export interface HealthResult {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** -1: it took too long, or could not be run. */
  readonly exitCode: number;
  readonly output: string;
}
