import { PlyError } from "../error.ts";
import type { EngineEvent, EventBus, EventFilter } from "./event.ts";

export interface EventBusOptions {
  /** Events kept for `since` and for readers who are behind, at least 1. A reader further behind than this fails. */
  readonly remember: number;
  /** Nanoseconds since 1970; for tests. */
  readonly now?: () => bigint;
}

/** setTimeout takes at most this many milliseconds; a longer wait is done in pieces. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NANOS_PER_MS = 1_000_000n;

/**
 * All subscribers read one bounded log, each at its own pace: memory does not grow with slow readers. One that
 * falls more than `remember` events behind gets a "limit" error instead of a silent gap.
 */
export function createEventBus(options: EventBusOptions): EventBus {
  const remember = Math.max(1, Math.trunc(options.remember));
  const now = options.now ?? wallClock();
  const log: EngineEvent[] = [];
  /** Sequence number of log[0]. */
  let first = 0;
  const sleepers = new Set<() => void>();

  async function* read(filter: EventFilter, start: number, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    let next = start;
    for (;;) {
      while (next < first + log.length) {
        if (signal.aborted) return;
        const event = log[next - first];
        if (event === undefined)
          throw new PlyError("limit", `this reader of events is more than ${remember} events behind`, {
            hint: "subscribe again with since",
          });
        next += 1;
        if (filter.until !== undefined && event.timeNano > filter.until) return;
        if (filter.since !== undefined && event.timeNano < filter.since) continue;
        if (filter.matches === undefined || filter.matches(event)) yield event;
      }
      const left = filter.until === undefined ? undefined : filter.until - now();
      if (signal.aborted || (left !== undefined && left <= 0n)) return;
      await sleep(left, signal);
    }
  }

  /** Until an event, an abort, or the time is up. */
  function sleep(nanos: bigint | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const wake = () => {
        clearTimeout(timer);
        sleepers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (nanos !== undefined)
        timer = setTimeout(wake, Math.min(Number(nanos / NANOS_PER_MS) + 1, LONGEST_TIMER_MS));
      sleepers.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  return {
    emit(event) {
      log.push({ ...event, timeNano: now() });
      if (log.length > remember) {
        log.shift();
        first += 1;
      }
      for (const wake of [...sleepers]) wake();
    },
    subscribe(filter, signal) {
      // Counted from this moment, not from the reader's first step.
      const start = filter.since === undefined ? first + log.length : first;
      return { [Symbol.asyncIterator]: () => read(filter, start, signal) };
    },
  };
}

/** Wall clock in nanoseconds that never repeats or goes back within this process. */
function wallClock(): () => bigint {
  let last = 0n;
  return () => {
    const time = BigInt(Date.now()) * NANOS_PER_MS;
    last = time > last ? time : last + 1n;
    return last;
  };
}
