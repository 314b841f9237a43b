import type { DiffId } from "../../oci/index.ts";
import type { LayerRecord } from "../../store/index.ts";

/** Layers begun before they are asked for, beyond the one that is. */
const AHEAD = 2;

type Fetch = (diffId: DiffId, signal: AbortSignal) => Promise<LayerRecord>;

/** Fetches layers of one cache so that the next ones are on their way when they are asked for. */
export interface FetchAhead extends AsyncDisposable {
  /** The layer itself; throws what its fetch does. Those after it are begun. */
  take(diffId: DiffId): Promise<LayerRecord>;
  /** A step was not found: what was begun for the steps after it is stopped. */
  stop(): void;
}

/**
 * `diffIds`: in the order in which steps ask for them. A step's key is known only when the layer before is here, so without
 * this one layer would come after the other.
 */
export function createFetchAhead(diffIds: readonly DiffId[], fetch: Fetch, whole: AbortSignal): FetchAhead {
  const underway = new Map<
    DiffId,
    { readonly layer: Promise<LayerRecord>; readonly stop: AbortController }
  >();
  const begin = (diffId: DiffId) => {
    const known = underway.get(diffId);
    if (known !== undefined && !known.stop.signal.aborted) return known.layer;
    const stop = new AbortController();
    const layer = fetch(diffId, AbortSignal.any([whole, stop.signal]));
    // Whoever asks for it hears of its failure.
    layer.catch(() => undefined);
    underway.set(diffId, { layer, stop });
    return layer;
  };
  const taken = new Set<DiffId>();
  const stop = (): void => {
    for (const [diffId, { stop: each }] of underway) if (!taken.has(diffId)) each.abort();
  };
  return {
    take(diffId) {
      taken.add(diffId);
      const layer = begin(diffId);
      const place = diffIds.indexOf(diffId);
      for (const next of diffIds.slice(place + 1, place + 1 + AHEAD)) begin(next);
      return layer;
    },
    stop,
    async [Symbol.asyncDispose]() {
      stop();
      await Promise.allSettled([...underway.values()].map(({ layer }) => layer));
    },
  };
}
