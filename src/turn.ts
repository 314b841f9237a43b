/** Runs pieces of work about the same thing one after the other; different things run at once. */
export interface Turns {
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    take(key, work) {
      const before = last.get(key) ?? Promise.resolve();
      const mine = before.then(work);
      const settled = mine
        .catch(() => undefined)
        .then(() => {
          if (last.get(key) === settled) last.delete(key);
        });
      last.set(key, settled);
      return mine;
    },
  };
}

/**
 * Work that serves all who asked before it began: one at a time, and who asks while it runs shares the next one. What a
 * caller did before asking is what it can rely on.
 */
export function shareTurns(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const turn = work();
      running = turn.catch(() => undefined);
      return turn;
    });
    return next;
  };
}
