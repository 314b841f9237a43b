import { createStreamHub, type StreamHub } from "./stream-hub.ts";

/** How a container ended, for those who wait. */
export interface Ending {
  readonly exitCode: number;
  readonly error?: string;
}

/** What an engine knows of a container beyond its document, gone with the engine. */
export interface Live {
  readonly streams: StreamHub;
  /** Runs one step after the other: starts, ends and removals of one container never overlap. */
  readonly inTurn: <T>(step: () => Promise<T>) => Promise<T>;
  /** Resolves at the next exit, or when a start fails for good. */
  nextExit: PromiseWithResolvers<Ending>;
  /** True while it is stopped only to be started again: then it is not removed, whatever its options say. */
  isRestarted: boolean;
  readonly removed: PromiseWithResolvers<Ending>;
  /** Called before its log files go: readers hold on to what they have not read. */
  readonly logReaders: Set<() => void>;
}

export function createLive(options: { readonly closesStdin: boolean }): Live {
  let last: Promise<unknown> = Promise.resolve();
  return {
    streams: createStreamHub(options),
    inTurn(step) {
      const turn = last.then(step);
      last = turn.catch(() => undefined);
      return turn;
    },
    nextExit: Promise.withResolvers<Ending>(),
    isRestarted: false,
    removed: Promise.withResolvers<Ending>(),
    logReaders: new Set(),
  };
}

/** Tells all who wait for the next exit, and starts the next wait. */
export function announceExit(live: Live, ending: Ending): void {
  const { nextExit } = live;
  live.nextExit = Promise.withResolvers<Ending>();
  nextExit.resolve(ending);
}
