import { type PlyError, throwIfAborted } from "../../error.ts";

/** Waiting for what somebody asks for a moment before it comes. */
export interface Arrivals {
  /** Something came: those who wait look again. */
  announce(): void;
  /** What `find` finds, within a few seconds; then throws what `missing` makes, and "cancelled" by the signal. */
  wait<Value>(
    find: () => Value | undefined,
    options: { readonly missing: () => PlyError; readonly signal?: AbortSignal | undefined },
  ): Promise<Value>;
}

/** Clients open what belongs together over several connections: their order is nobody's. */
const WAIT_MS = 5000;

export function createArrivals(): Arrivals {
  const waiting = new Set<() => void>();
  return {
    announce() {
      for (const wake of waiting) wake();
    },
    async wait(find, { missing, signal }) {
      const late = AbortSignal.timeout(WAIT_MS);
      const given = signal === undefined ? late : AbortSignal.any([signal, late]);
      for (;;) {
        const found = find();
        if (found !== undefined) return found;
        throwIfAborted(signal);
        if (late.aborted) throw missing();
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            given.removeEventListener("abort", wake);
            resolve();
          };
          waiting.add(wake);
          given.addEventListener("abort", wake);
        });
      }
    },
  };
}
