import { isPlyError, messageOf, PlyError, throwIfAborted } from "../error.ts";
import type { Descriptor, DiffId, Reference } from "../oci/index.ts";
import type { LayerRecord, Lease, Store } from "../store/index.ts";

/** A layer that is known; it need not be here. */
export type KnownLayer = Pick<LayerRecord, "diffId">;

/** Somewhere that has a layer. */
export interface LayerOffer {
  /** What messages call it. */
  readonly name: string;
  /** As it has it. */
  readonly descriptor: Descriptor;
  /** Absent: it is no registry. */
  readonly reference?: Reference;
  /** Without it there is no build: its failure is the build's. */
  readonly isNeeded?: true;
  /** Brings it in, kept by the build's lease. */
  fetch(signal: AbortSignal): Promise<LayerRecord>;
}

/**
 * The layers that a build knows, those among them that are not here: steps are found by the names of layers, and a layer is
 * brought in when its files are asked for.
 */
export interface LayerSupply extends AsyncDisposable {
  offer(diffId: DiffId, offer: LayerOffer): void;
  isHere(diffId: DiffId): boolean;
  /** Makes all of them be here, kept by the build's lease, side by side. Throws "unavailable" when one is lost. */
  bring(diffIds: readonly DiffId[]): Promise<void>;
  /** It is here, or somebody is known to have it. */
  canBeHad(diffId: DiffId): boolean;
  /** Where a layer that is not here is known to be. */
  offerOf(diffId: DiffId): LayerOffer | undefined;
  /** It is not here and nobody has it: what was found by its name must be made anew. */
  isLost(diffId: DiffId): boolean;
  /** How many were lost so far. */
  readonly lostCount: number;
  /** What is fetched from now on is given up with this signal as well: whoever has failed needs none of it. */
  stopWith(signal: AbortSignal): void;
}

export interface SupplyParts {
  readonly store: Pick<Store, "layers" | "leases">;
  readonly lease: Lease;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

export function createLayerSupply({ store, lease, warn, signal: whole }: SupplyParts): LayerSupply {
  const offers = new Map<DiffId, LayerOffer[]>();
  const underway = new Map<DiffId, Promise<void>>();
  const lost = new Set<DiffId>();
  const stop = new AbortController();
  let signal = AbortSignal.any([whole, stop.signal]);
  const isHere = (diffId: DiffId): boolean => store.layers.get(diffId) !== undefined;

  const fetch = async (diffId: DiffId): Promise<void> => {
    const until = signal;
    for (const offer of [...(offers.get(diffId) ?? [])]) {
      try {
        await offer.fetch(until);
        return;
      } catch (error) {
        throwIfAborted(until);
        if (isPlyError(error, "cancelled") || offer.isNeeded === true) throw error;
        warn(`the cache ${offer.name} lacks a layer: ${messageOf(error)}`);
        offers.set(
          diffId,
          (offers.get(diffId) ?? []).filter((each) => each !== offer),
        );
      }
    }
    lost.add(diffId);
    throw new PlyError("unavailable", `layer ${diffId} is in no cache any more`);
  };
  const bringOne = (diffId: DiffId): Promise<void> => {
    const known = underway.get(diffId);
    if (known !== undefined) return known;
    if (isHere(diffId)) {
      store.leases.addLayer(lease, diffId);
      return Promise.resolve();
    }
    const fetching = fetch(diffId).finally(() => underway.delete(diffId));
    underway.set(diffId, fetching);
    return fetching;
  };

  return {
    offer(diffId, offer) {
      const known = offers.get(diffId) ?? [];
      // What is asked for by its own name is asked there first.
      offers.set(diffId, offer.isNeeded === true ? [offer, ...known] : [...known, offer]);
    },
    isHere,
    async bring(diffIds) {
      const settled = await Promise.allSettled([...new Set(diffIds)].map(bringOne));
      const failed = settled.find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
    },
    canBeHad: (diffId) => isHere(diffId) || offers.get(diffId)?.[0] !== undefined,
    offerOf: (diffId) => offers.get(diffId)?.[0],
    isLost: (diffId) => lost.has(diffId) && !isHere(diffId),
    get lostCount() {
      return lost.size;
    },
    stopWith(attempt) {
      signal = AbortSignal.any([whole, stop.signal, attempt]);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled(underway.values());
    },
  };
}
