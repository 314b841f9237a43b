import { setTimeout as sleep } from "node:timers/promises";
import { isPlyError, throwIfAborted } from "../error.ts";

/** How requests are tried again. */
export interface RetryPolicy {
  /** Tries after the first. */
  readonly retries: number;
  /** The first wait, about; it doubles each time. */
  readonly backoffMs: number;
}

/** No wait grows beyond this. */
const MAX_BACKOFF_MS = 20_000;

/** A registry that asks for more patience than this (a rate limit) is told to the user instead. */
export const MAX_RETRY_AFTER_MS = 60_000;

/** True for a failure that may be gone in a moment: the transport and the registry's answers mark it. */
export function isTransient(error: unknown): boolean {
  return isPlyError(error) && error.details["transient"] === true;
}

/** True where no connection came about at all: worth another try only at a host that has answered before. */
export function isUnreachable(error: unknown): boolean {
  return isPlyError(error) && error.details["unreachable"] === true;
}

/** Runs the attempt until it succeeds, fails for good or has used up its tries; then throws its last error. */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  policy: RetryPolicy,
  signal?: AbortSignal,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    throwIfAborted(signal);
    try {
      return await attempt();
    } catch (error) {
      if (!isTransient(error) || failures >= policy.retries) throw error;
      await wait(retryDelay(failures, policy, error), signal);
    }
  }
}

/**
 * Milliseconds before the next try after `failures` earlier ones: what the registry asked for, else
 * exponential with the upper half at random, so that many clients do not come back at once.
 */
export function retryDelay(failures: number, policy: RetryPolicy, error: unknown): number {
  const asked = isPlyError(error) ? error.details["retryAfterMs"] : undefined;
  if (typeof asked === "number") return asked;
  const full = Math.min(policy.backoffMs * 2 ** failures, MAX_BACKOFF_MS);
  return full / 2 + (Math.random() * full) / 2;
}

/** Throws "cancelled" when the signal aborts. */
export async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

/** `Retry-After` in milliseconds from now: seconds or an HTTP date; undefined when it is neither. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
