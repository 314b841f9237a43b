import { PlyError, throwIfAborted } from "../error.ts";
import type { DiffId } from "../oci/index.ts";
import type { LayerProgress, LayerSource } from "./store.ts";

/** One who waits for a layer. */
export interface Waiter {
  readonly owner: string;
  readonly onProgress: ((progress: LayerProgress) => void) | undefined;
}

/** A layer on its way in, and all who wait for it. */
interface Flight {
  readonly source: LayerSource;
  readonly waiters: Set<Waiter>;
  readonly controller: AbortController;
  readonly result: Promise<DiffId>;
  last: LayerProgress;
}

/** Takes a layer from one source; reports to all; `owners` are those who wait at the time of asking. */
export type Fly = (
  source: LayerSource,
  flight: {
    readonly signal: AbortSignal;
    readonly report: (progress: LayerProgress) => void;
    readonly owners: () => string[];
  },
) => Promise<DiffId>;

/** Layers in flight: each is downloaded once however many want it. */
export interface Flights {
  /**
   * Joins the flight of the same digest or DiffID, or starts one. When a shared flight fails, a waiter with
   * a source of its own goes on with that. The last waiter's abort cancels the flight; this rejects only
   * once nothing of it is left running.
   */
  board(source: LayerSource, waiter: Waiter, signal: AbortSignal | undefined): Promise<DiffId>;
  hasOwner(owner: string): boolean;
  /** Cancels all and waits for them to end. */
  ground(): Promise<void>;
}

export function openFlights(fly: Fly): Flights {
  const flights = new Set<Flight>();

  const find = (source: LayerSource): Flight | undefined => {
    for (const flight of flights) {
      const { digest, diffId } = flight.source;
      if (digest !== undefined && digest === source.digest) return flight;
      if (diffId !== undefined && diffId === source.diffId) return flight;
    }
    return undefined;
  };

  const start = (source: LayerSource): Flight => {
    const controller = new AbortController();
    const waiters = new Set<Waiter>();
    const report = (progress: LayerProgress) => {
      flight.last = progress;
      for (const waiter of waiters) waiter.onProgress?.(progress);
    };
    const owners = () => [...waiters].map((waiter) => waiter.owner);
    const result = Promise.resolve()
      .then(() => fly(source, { signal: controller.signal, report, owners }))
      .finally(() => flights.delete(flight));
    // Waiters that left do not look at it any more.
    result.catch(() => undefined);
    const flight: Flight = { source, waiters, controller, result, last: { phase: "waiting" } };
    flights.add(flight);
    return flight;
  };

  const ride = async (flight: Flight, waiter: Waiter, signal: AbortSignal | undefined): Promise<DiffId> => {
    flight.waiters.add(waiter);
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => undefined);
    const leave = () => {
      flight.waiters.delete(waiter);
      const cancelled = new PlyError("cancelled", "the operation was cancelled", { cause: signal?.reason });
      if (flight.waiters.size > 0) return left.reject(cancelled);
      flight.controller.abort(signal?.reason);
      void flight.result.catch(() => undefined).then(() => left.reject(cancelled));
    };
    signal?.addEventListener("abort", leave, { once: true });
    try {
      waiter.onProgress?.(flight.last);
      return await Promise.race([left.promise, flight.result]);
    } finally {
      signal?.removeEventListener("abort", leave);
      flight.waiters.delete(waiter);
    }
  };

  return {
    async board(source, waiter, signal) {
      for (;;) {
        throwIfAborted(signal);
        const flight = find(source);
        if (flight?.controller.signal.aborted) {
          await flight.result.catch(() => undefined);
          continue;
        }
        if (flight === undefined) return await ride(start(source), waiter, signal);
        try {
          return await ride(flight, waiter, signal);
        } catch (error) {
          if (signal?.aborted) throw error;
          // The other's source failed; ours may still be good.
        }
      }
    },
    hasOwner(owner) {
      for (const flight of flights)
        for (const waiter of flight.waiters) if (waiter.owner === owner) return true;
      return false;
    },
    async ground() {
      const pending = [...flights];
      for (const flight of pending) flight.controller.abort(new Error("the store is closing"));
      await Promise.allSettled(pending.map((flight) => flight.result));
    },
  };
}
