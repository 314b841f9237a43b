import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { DiffId } from "../oci/index.ts";
import type { LayerRecord } from "../store/index.ts";
import { createLayerSupply, type LayerOffer } from "./layer-supply.ts";

const LAYER = `sha256:${"a".repeat(64)}` as DiffId;
const OTHER = `sha256:${"b".repeat(64)}` as DiffId;

/** A supply over a store in which `here` is; `held`: what the build's lease keeps. */
function supplyOf() {
  const here = new Set<DiffId>();
  const held: DiffId[] = [];
  const warnings: string[] = [];
  const cancel = new AbortController();
  const supply = createLayerSupply({
    store: {
      layers: { get: (diffId: DiffId) => (here.has(diffId) ? { diffId } : undefined) },
      leases: { addLayer: (_lease: unknown, diffId: DiffId) => held.push(diffId) },
    } as unknown as Parameters<typeof createLayerSupply>[0]["store"],
    lease: { owner: "build:test" } as Parameters<typeof createLayerSupply>[0]["lease"],
    warn: (message) => warnings.push(message),
    signal: cancel.signal,
  });
  const offer = (name: string, fetch: LayerOffer["fetch"], isNeeded = false): LayerOffer => ({
    name,
    descriptor: { mediaType: "layer", digest: LAYER, size: 1 } as unknown as LayerOffer["descriptor"],
    fetch,
    ...(isNeeded ? { isNeeded } : {}),
  });
  const arrive = (diffId: DiffId) => async (): Promise<LayerRecord> => {
    here.add(diffId);
    return { diffId } as LayerRecord;
  };
  return { supply, here, held, warnings, cancel, offer, arrive };
}

const failing = (message: string) => async (): Promise<never> => {
  throw new PlyError("corrupt", message);
};
/** Never arrives: ends with the signal alone. */
async function stalled(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort");
  throw new PlyError("cancelled", "given up");
}

describe("the layers a build knows", () => {
  test("one that is here is kept and not fetched", async () => {
    const { supply, here, held, offer } = supplyOf();
    here.add(LAYER);
    supply.offer(LAYER, offer("cache", failing("asked in vain")));
    await supply.bring([LAYER, LAYER]);
    assert.deepEqual(held, [LAYER]);
  });

  test("whoever has it is asked in turn; one that nobody has is lost until it is made", async () => {
    const { supply, here, warnings, offer, arrive } = supplyOf();
    supply.offer(LAYER, offer("first", failing("gone")));
    supply.offer(LAYER, offer("second", arrive(LAYER)));
    await supply.bring([LAYER]);
    assert.deepEqual(warnings, ["the cache first lacks a layer: gone"]);
    supply.offer(OTHER, offer("first", failing("gone")));
    assert.equal(supply.canBeHad(OTHER), true);
    await assert.rejects(supply.bring([OTHER]), /is in no cache any more/);
    assert.deepEqual([supply.canBeHad(OTHER), supply.isLost(OTHER), supply.lostCount], [false, true, 1]);
    here.add(OTHER);
    assert.deepEqual([supply.canBeHad(OTHER), supply.isLost(OTHER)], [true, false]);
  });

  test("where there is no build without it, it is asked for first and its failure is the build's", async () => {
    const { supply, warnings, offer, arrive } = supplyOf();
    supply.offer(LAYER, offer("cache", arrive(LAYER)));
    supply.offer(LAYER, offer("image", failing("broken"), true));
    await assert.rejects(supply.bring([LAYER]), /broken/);
    assert.deepEqual([warnings, supply.lostCount], [[], 0]);
  });

  test("an attempt that has failed gives up what it fetches, and the next one fetches anew", async () => {
    const { supply, warnings, offer, arrive } = supplyOf();
    const attempt = new AbortController();
    supply.stopWith(attempt.signal);
    let tries = 0;
    supply.offer(
      LAYER,
      offer("cache", (signal) => (++tries === 1 ? stalled(signal) : arrive(LAYER)())),
    );
    const brought = supply.bring([LAYER]);
    attempt.abort();
    await assert.rejects(brought);
    assert.deepEqual([warnings, supply.lostCount], [[], 0], "the cache is not to blame");
    supply.stopWith(new AbortController().signal);
    await supply.bring([LAYER]);
    assert.equal(tries, 2);
  });

  test("a build that is cancelled or over waits for nothing", async () => {
    for (const end of ["cancel", "dispose"] as const) {
      const { supply, cancel, offer } = supplyOf();
      supply.stopWith(new AbortController().signal);
      supply.offer(LAYER, offer("cache", stalled));
      const brought = assert.rejects(supply.bring([LAYER]));
      if (end === "cancel") cancel.abort();
      else await supply[Symbol.asyncDispose]();
      await brought;
    }
  });
});
