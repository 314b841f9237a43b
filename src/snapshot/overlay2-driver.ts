import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { PlyError, throwIfAborted } from "../error.ts";
import { createUnion, decodeIndex } from "../layer/index.ts";
import type { ChainId } from "../oci/index.ts";
import { chainIdsOf, hexOf } from "../oci/index.ts";
import { mountOverlay, removeTree } from "../overlay/index.ts";
import type { LayerStack, StackLayer } from "../store/index.ts";
import { createTurns } from "../turn.ts";
import type { SnapshotDriver } from "./driver.ts";
import { readIndex } from "./erofs-image.ts";
import { devicesOf, overlayChanges } from "./overlay2-changes.ts";
import { dropTar, openLayerTar, rescueContent, unpackedIn } from "./overlay2-content.ts";
import { disjoint, encodeMap, readFrame, readMap, type TarReader } from "./overlay2-frame.ts";
import { openUnpackedShelf, readMeta, type Unpacked } from "./overlay2-shelf.ts";
import { unpackChanges } from "./overlay2-unpack.ts";
import { syncFilesystem } from "./sync.ts";
import { createViews } from "./views.ts";
import { createWritables } from "./writable.ts";

const READ_SIZE = 1024 * 1024;
/** fs/overlayfs/params.h: OVL_MAX_STACK. */
const MAX_LOWERS = 500;

export interface Overlay2DriverOptions {
  readonly root: string;
  readonly runRoot: string;
  /** Shown by `ply info`: why this driver. */
  readonly because?: string;
}

/**
 * For kernels without file-backed EROFS: layers are unpacked into directories and stacked by overlayfs. The tar is
 * taken apart: what is not file content stays in a frame, so the exact tar can be given back at any time.
 */
export function overlay2Driver({ root, runRoot, because }: Overlay2DriverOptions): SnapshotDriver {
  for (const directory of ["ingest", "overlay2"])
    mkdirSync(join(root, directory), { recursive: true, mode: 0o700 });
  const shelf = openUnpackedShelf(root);
  // Unpacking, removing and rebuilding touch the directories of several stacks: one at a time.
  const turns = createTurns();
  const alone = <T>(work: () => Promise<T>) => turns.take("", work);

  const materialize = (stack: LayerStack, signal?: AbortSignal) =>
    alone(async () => {
      if (stack.layers.length > MAX_LOWERS)
        throw new PlyError("limit", `${stack.layers.length} layers: overlayfs takes ${MAX_LOWERS}`, {
          hint: "use the erofs storage driver",
        });
      await unpackStack(stack, signal);
      const wanted = join(shelf.pathOf(stack.chainId), "wanted");
      if (!existsSync(wanted)) writeFileSync(wanted, "");
    });

  const unpackStack = async (stack: LayerStack, signal: AbortSignal | undefined) => {
    const chainIds = chainIdsOf(stack.layers.map((layer) => layer.diffId));
    const isWhole = (layer: StackLayer) => existsSync(join(layer.dir, "layer.tar"));
    if (chainIds.every((chainId) => shelf.get(chainId) !== undefined) && !stack.layers.some(isWhole)) return;
    const below = createUnion();
    const above = createUnion();
    for (const [n, layer] of stack.layers.entries()) {
      const chainId = chainIds[n];
      if (chainId === undefined) throw new PlyError("internal", "a layer without a chain id");
      throwIfAborted(signal);
      const index = await readIndex(layer);
      above.apply(decodeIndex(index));
      if (shelf.get(chainId) === undefined) {
        const unpacked = { chainId, parent: chainIds[n - 1] ?? null, diffId: layer.diffId };
        if (!bringBack(layer, unpacked)) {
          const changes = overlayChanges(below.root, above.root);
          await unpackLayer(stack.layers.slice(0, n + 1), unpacked, changes, signal);
        }
        shelf.add(unpacked);
      }
      if (isWhole(layer)) await dropTar(root, layer, await readMap(shelf.pathOf(chainId)));
      await dropSpare(layer);
      below.apply(decodeIndex(index));
    }
  };

  /** The same stack was here before, and the layer kept its files. */
  const bringBack = (layer: StackLayer, unpacked: Unpacked): boolean => {
    if (readMeta(unpackedIn(layer))?.chainId !== unpacked.chainId) return false;
    renameSync(unpackedIn(layer), shelf.pathOf(unpacked.chainId));
    return true;
  };

  /** Files that the layer kept for its tar while no stack had them. */
  const dropSpare = async (layer: StackLayer) => {
    const spare = unpackedIn(layer);
    if (readMeta(spare) !== undefined && (await rescueContent(root, layer, spare, shelf)))
      await removeTree(spare);
  };

  const unpackLayer = async (
    layers: readonly StackLayer[],
    unpacked: Unpacked,
    changes: ReturnType<typeof overlayChanges>,
    signal: AbortSignal | undefined,
  ) => {
    const temporary = join(root, "ingest", `${randomUUID()}.overlay2`);
    const target = join(temporary, "diff");
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const readers = new Map<number, TarReader>();
    try {
      // Opened beforehand: most layers need their own tar only, a copied-up hard link also one below.
      const devices = devicesOf(changes);
      for (const device of devices) {
        const layer = layers[device];
        if (layer !== undefined) readers.set(device, await openLayerTar(layer, shelf));
      }
      const fillings = await unpackChanges(changes, {
        target,
        device: layers.length - 1,
        read: (device, into, offset) => readers.get(device)?.read(into, offset),
        ...(signal === undefined ? {} : { signal }),
      });
      writeFileSync(join(temporary, "map"), encodeMap(disjoint(fillings)));
      writeFileSync(join(temporary, "meta.json"), JSON.stringify(unpacked));
      await syncFilesystem(temporary);
      renameSync(temporary, shelf.pathOf(unpacked.chainId));
      await using directory = await open(join(root, "overlay2"), "r");
      await directory.sync();
    } catch (error) {
      await removeTree(temporary);
      throw error;
    } finally {
      for (const reader of readers.values()) reader.close();
    }
  };

  /** Takes a stack away, and the parents that were there only for it. */
  const removeUnused = async (chainId: ChainId) => {
    for (let next: ChainId | null = chainId; next !== null; ) {
      const unpacked = shelf.get(next);
      const path = shelf.pathOf(next);
      if (unpacked === undefined || shelf.hasChildren(next) || existsSync(join(path, "wanted"))) return;
      await takeAway(unpacked, path);
      next = unpacked.parent;
    }
  };

  const takeAway = async (unpacked: Unpacked, path: string) => {
    const dir = join(root, "layers", hexOf(unpacked.diffId));
    const frame = join(dir, "layer.frame");
    if (existsSync(frame)) {
      const { tarSize } = await readFrame(frame);
      const layer = { diffId: unpacked.diffId, dir, tarSize };
      if (!(await rescueContent(root, layer, path, shelf))) {
        shelf.drop(unpacked.chainId);
        renameSync(path, unpackedIn(layer));
        return;
      }
    }
    shelf.drop(unpacked.chainId);
    const trash = join(root, "ingest", `${randomUUID()}.trash`);
    renameSync(path, trash);
    await removeTree(trash);
  };

  const lowersOf = (stack: LayerStack): string[] =>
    chainIdsOf(stack.layers.map((layer) => layer.diffId))
      .map((chainId) => join(shelf.pathOf(chainId), "diff"))
      .reverse();

  const views = createViews(runRoot, async (stack, target) => {
    await materialize(stack);
    const lowers = lowersOf(stack);
    // Without a writable layer overlayfs wants two.
    const empty = join(runRoot, "empty");
    mkdirSync(empty, { recursive: true, mode: 0o755 });
    mountOverlay({ lowers: lowers.length > 1 ? lowers : [...lowers, empty], target });
  });
  const writables = createWritables({
    root,
    hold: views.hold,
    openBase: async (stack) => {
      const hold = views.hold(stack.chainId);
      try {
        await materialize(stack);
      } catch (error) {
        hold.release();
        throw error;
      }
      return { lowers: lowersOf(stack), release: () => hold.release() };
    },
  });

  return {
    name: "overlay2",
    description: `unpacked directories under overlayfs${because === undefined ? "" : ` (${because})`}`,
    materialize: (stack, options) => materialize(stack, options?.signal),
    remove: (chainId) =>
      views.close(chainId, () =>
        alone(async () => {
          rmSync(join(shelf.pathOf(chainId), "wanted"), { force: true });
          await removeUnused(chainId);
        }),
      ),
    view: (stack) => views.open(stack),
    prepare: writables.prepare,
    release: writables.release,
    discard: writables.discard,
    openTar: (layer, offset = 0) => readLayer(layer, offset),
    async recover(liveDirs) {
      shelf.reload();
      writables.recover(liveDirs);
      views.recover();
    },
    orphans: async (known) => {
      const needed = new Set<string>();
      for (const chainId of known)
        for (let next: ChainId | null = chainId; next !== null; next = shelf.get(next)?.parent ?? null)
          needed.add(hexOf(next));
      const directory = join(root, "overlay2");
      return readdirSync(directory)
        .filter((name) => !needed.has(name))
        .map((name) => join(directory, name));
    },
    async [Symbol.asyncDispose]() {
      await writables[Symbol.asyncDispose]();
      await views.dispose();
    },
  };

  async function* readLayer(layer: StackLayer, from: number): AsyncGenerator<Uint8Array> {
    let reader = await alone(() => openLayerTar(layer, shelf));
    try {
      for (let at = from; at < layer.tarSize; ) {
        const chunk = new Uint8Array(Math.min(READ_SIZE, layer.tarSize - at));
        try {
          reader.read(chunk, at);
        } catch {
          // Its directory may have moved meanwhile, with the removal of a stack: look again, once.
          const again = await alone(() => openLayerTar(layer, shelf));
          reader.close();
          reader = again;
          reader.read(chunk, at);
        }
        at += chunk.length;
        yield chunk;
      }
    } finally {
      reader.close();
    }
  }
}
