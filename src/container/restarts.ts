import { nextDelay } from "./restart-policy.ts";

/** The containers that wait for their next start by policy. Gone with the engine: the next one begins anew. */
export interface Restarts extends Disposable {
  /** Calls `start` after the policy's delay; `ranMs`: how long the last run was. */
  schedule(id: string, ranMs: number, start: () => void): void;
  /** No start any more; `forget`: the next delay is the first again. */
  cancel(id: string): void;
  forget(id: string): void;
}

export function createRestarts(): Restarts {
  const timers = new Map<string, NodeJS.Timeout>();
  const delays = new Map<string, number>();
  const cancel = (id: string): void => {
    clearTimeout(timers.get(id));
    timers.delete(id);
  };
  return {
    schedule(id, ranMs, start) {
      cancel(id);
      const delay = nextDelay(delays.get(id), ranMs);
      delays.set(id, delay);
      const timer = setTimeout(() => {
        timers.delete(id);
        start();
      }, delay);
      timers.set(id, timer);
    },
    cancel,
    forget(id) {
      cancel(id);
      delays.delete(id);
    },
    [Symbol.dispose]() {
      for (const id of [...timers.keys()]) cancel(id);
    },
  };
}
