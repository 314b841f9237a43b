/**
 * Works on items side by side, at most `parallel` at once, and gives the results in the items' order. Stopping early, or the first
 * failure, returns the source once what is under way has ended.
 */
export async function* inOrder<Item, Result>(
  source: AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
  { parallel }: { readonly parallel: number },
): AsyncGenerator<Result, void, void> {
  const inFlight: Promise<Result>[] = [];
  try {
    for await (const item of source) {
      const [first] = inFlight;
      if (first !== undefined && inFlight.length >= parallel) {
        yield await first;
        inFlight.shift();
      }
      const job = work(item);
      // Seen again when its turn comes; until then nobody waits for it.
      job.catch(() => undefined);
      inFlight.push(job);
    }
    for (const job of inFlight) yield await job;
  } finally {
    await Promise.allSettled(inFlight);
  }
}
