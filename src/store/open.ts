import { join, resolve } from "node:path";
import { PlyError } from "../error.ts";
import { blobTable } from "./blob.ts";
import { checkStore } from "./check.ts";
import type { Database } from "./database.ts";
import { openDatabase } from "./database.ts";
import { storageFailure } from "./failure.ts";
import { collectGarbage } from "./garbage.ts";
import { imageTable } from "./image.ts";
import type { LayerIngest } from "./ingest.ts";
import { layerTable } from "./layer.ts";
import { makeLayout, sweepIngest } from "./layout.ts";
import { leaseTable } from "./lease.ts";
import type { RootLock } from "./lock.ts";
import { lockRoot } from "./lock.ts";
import { recordsOf, settingsOf } from "./record.ts";
import { openShelf } from "./shelf.ts";
import type { Store } from "./store.ts";

export interface StoreOptions {
  /** Made when missing. Only one process at a time may own it. */
  readonly root: string;
  /** How layers come in: the ingest pool's `ingest`. The caller keeps and closes the pool, after the store. */
  readonly ingest: LayerIngest;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/**
 * Opens the store of a root and mends what a crash left. Throws "conflict" when another process owns it,
 * "denied" without the right to write there, "unsupported" when a newer ply wrote it. Dispose to let go;
 * layers in flight are cancelled then.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const root = resolve(options.root);
  const clock = options.clock ?? Date.now;
  let lock: RootLock | undefined;
  let database: Database | undefined;
  try {
    makeLayout(root);
    lock = lockRoot(root);
    database = openDatabase(join(root, "ply.db"), clock());
    const shelf = openShelf(root, database);
    const leases = leaseTable(database, clock);
    await shelf.recover();
    await sweepIngest(root, clock());
    leases.abandon();
    leases.expire(() => false);
    return storeOver({ root, clock, lock, database, shelf, leases, ingest: options.ingest });
  } catch (error) {
    database?.close();
    lock?.release();
    throw storageFailure(error, `opening the store in ${root}`);
  }
}

interface StoreParts {
  readonly root: string;
  readonly clock: () => number;
  readonly lock: RootLock;
  readonly database: Database;
  readonly shelf: ReturnType<typeof openShelf>;
  readonly leases: ReturnType<typeof leaseTable>;
  readonly ingest: LayerIngest;
}

function storeOver({ root, clock, lock, database, shelf, leases, ingest }: StoreParts): Store {
  const { layers, flights, isInUse } = layerTable({ root, database, shelf, leases, ingest, clock });
  const images = imageTable(database, clock);
  const blobs = blobTable({ root, database, shelf, leases, clock });
  let alone: Promise<unknown> = Promise.resolve();
  let open = true;
  /** Collections and checks run one after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    if (!open) throw new PlyError("unavailable", "the store is closed");
    const turn = alone.then(work);
    alone = turn.catch(() => undefined);
    return turn;
  };
  let collectionsDue = 0;
  const sweep = async ({ parts = false } = {}) => {
    const report = await collectGarbage({
      database,
      shelf,
      leases,
      flights,
      onChainUnused: () => store.onChainUnused,
    });
    const now = parts ? Number.POSITIVE_INFINITY : clock();
    await sweepIngest(root, now, (name) => isInUse(name) || !name.endsWith(".part"));
    return report;
  };

  const store: Store = {
    root,
    blobs,
    layers,
    images,
    leases,
    settings: settingsOf(database),
    onChainUnused: undefined,
    records: (collection) => recordsOf(database, collection),
    async collectGarbage(given) {
      collectionsDue++;
      try {
        return await inTurn(() => sweep(given));
      } finally {
        collectionsDue--;
      }
    },
    check: (options) =>
      inTurn(() =>
        checkStore(
          {
            root,
            clock,
            database,
            images,
            layers,
            blobs,
            isInUse,
            isCollectionDue: () => collectionsDue > 0,
            collectGarbage: sweep,
          },
          options,
        ),
      ),
    async [Symbol.asyncDispose]() {
      if (!open) return;
      open = false;
      await flights.ground();
      await alone;
      await shelf.idle();
      database.close();
      lock.release();
    },
  };
  return store;
}
