import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIngestPool, type IngestPool } from "../../src/layer/index.ts";
import { type ChainId, chainIdsOf, digestOf } from "../../src/oci/index.ts";
import { erofsDriver, overlay2Driver, type SnapshotDriver } from "../../src/snapshot/index.ts";
import { type LayerRecord, type LayerStack, openStore, type Store } from "../../src/store/index.ts";
import { mountsUnder } from "./ply.ts";
import { run } from "./process.ts";

export type DriverName = "erofs" | "erofs on loop devices" | "overlay2";

/** The store, the ingest pool and one storage driver, without an engine around them. */
export interface LayerStore extends AsyncDisposable {
  readonly home: string;
  readonly store: Store;
  readonly driver: SnapshotDriver;
  /** Takes these blobs in as layers, bottom first, and makes their union ready. */
  stack(blobs: readonly Uint8Array[]): Promise<LayerStack>;
  /** Same, from streams of one chunk after the other. */
  stackOfStreams(streams: readonly (() => AsyncIterable<Uint8Array>)[]): Promise<LayerStack>;
}

export async function openLayerStore(name: DriverName): Promise<LayerStore> {
  const home = mkdtempSync(join(tmpdir(), "ply-layers-"));
  const root = join(home, "root");
  const runRoot = join(home, "run");
  const pool: IngestPool = createIngestPool({ workers: 2 });
  const store = await openStore({ root, ingest: (job, open, options) => pool.ingest(job, open, options) });
  const driver =
    name === "overlay2"
      ? overlay2Driver({ root, runRoot, because: "a test" })
      : erofsDriver({ root, runRoot, mode: name === "erofs" ? "file" : "loop", because: "a test" });
  const stackOf = async (layers: readonly LayerRecord[]): Promise<LayerStack> => {
    const chainId = chainIdsOf(layers.map((layer) => layer.diffId)).at(-1) as ChainId;
    const stack = { chainId, layers };
    await driver.materialize(stack);
    return stack;
  };
  return {
    home,
    store,
    driver,
    async stack(blobs) {
      const lease = store.leases.hold("test");
      const layers = await Promise.all(
        blobs.map((blob) =>
          store.layers.ingest(
            {
              digest: digestOf(blob),
              size: blob.length,
              resumable: true,
              open: async (offset) =>
                (async function* () {
                  yield blob.subarray(offset);
                })(),
            },
            lease,
          ),
        ),
      );
      return stackOf(layers);
    },
    async stackOfStreams(streams) {
      const lease = store.leases.hold("test");
      const layers = await Promise.all(
        streams.map((open) => store.layers.ingest({ resumable: false, open: async () => open() }, lease)),
      );
      return stackOf(layers);
    },
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      for (const target of mountsUnder(home).reverse()) await run("umount", ["-l", target]);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
