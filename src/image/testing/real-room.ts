import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIngestPool } from "../../layer/index.ts";
import type { ChainId } from "../../oci/index.ts";
import { openRegistry } from "../../registry/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import type { StackDriver } from "../context.ts";
import type { Images } from "../images.ts";
import { type ImagesParts, openImages } from "../open-images.ts";

/** A storage driver as far as a whole room needs one. */
export interface RoomDriver extends StackDriver, AsyncDisposable {
  remove(chainId: ChainId): Promise<void>;
  orphans(known: ReadonlySet<ChainId>): Promise<string[]>;
}

/** Images over the real parts: ingest threads, store, registry client and a storage driver. Dispose to clean up. */
export interface RealRoom extends AsyncDisposable {
  readonly root: string;
  readonly images: Images;
  readonly store: Store;
  readonly snapshots: RoomDriver;
}

/** The driver comes from the caller: this room may not choose one. */
export async function openRealRoom(
  openDriver: (roots: { readonly root: string; readonly runRoot: string }) => RoomDriver,
  parts: Partial<ImagesParts> = {},
): Promise<RealRoom> {
  const dir = await mkdtemp(join(tmpdir(), "ply-image-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const root = join(dir, "root");
  const pool = undo.use(createIngestPool());
  const store = undo.use(await openStore({ root, ingest: pool.ingest }));
  const snapshots = undo.use(openDriver({ root, runRoot: join(dir, "run") }));
  store.onChainUnused = (chainId) => snapshots.remove(chainId);
  const registry = undo.use(openRegistry({ userAgent: "ply-test" }));
  const images = openImages({
    store,
    registry,
    snapshots,
    events: { emit() {}, async *subscribe() {} },
    ...parts,
  });
  const kept = undo.move();
  return { root, images, store, snapshots, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
