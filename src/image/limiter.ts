import { PlyError, throwIfAborted } from "../error.ts";

/** Lets at most so many tasks run at once; the others wait in order. */
export interface Limiter {
  /** Waits for a place, unless `signal` is aborted first: then the task never starts. */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function openLimiter(places: number): Limiter {
  let free = places;
  const waiting = new Set<() => void>();

  function leave(): void {
    const [next] = waiting;
    if (next === undefined) free++;
    else {
      waiting.delete(next);
      next();
    }
  }

  async function enter(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (free > 0) {
      free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        waiting.delete(take);
        reject(cancelled(signal));
      };
      const take = () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      waiting.add(take);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  return {
    async run(task, signal) {
      await enter(signal);
      try {
        return await task();
      } finally {
        leave();
      }
    },
  };
}

function cancelled(signal: AbortSignal | undefined): PlyError {
  return new PlyError("cancelled", "the operation was cancelled", { cause: signal?.reason });
}

/**
 * Runs all tasks at once. The first failure aborts the signal the others were given; once all have ended
 * that failure is thrown. Results are in the tasks' order.
 */
export async function allOrNone<T>(
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal?: AbortSignal,
): Promise<T[]> {
  throwIfAborted(signal);
  const stop = new AbortController();
  const pass = () => stop.abort(signal?.reason);
  signal?.addEventListener("abort", pass, { once: true });
  let failure: { readonly error: unknown } | undefined;
  try {
    const results = await Promise.allSettled(
      tasks.map(async (task) => {
        try {
          return await task(stop.signal);
        } catch (error) {
          failure ??= { error };
          stop.abort(error);
          throw error;
        }
      }),
    );
    if (failure !== undefined) throw failure.error;
    return results.map((result) => (result as PromiseFulfilledResult<T>).value);
  } finally {
    signal?.removeEventListener("abort", pass);
  }
}
