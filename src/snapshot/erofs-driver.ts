import { createReadStream, mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { hexOf } from "../oci/index.ts";
import type { LayerStack, StackLayer } from "../store/index.ts";
import { createTurns } from "../turn.ts";
import type { SnapshotDriver } from "./driver.ts";
import { chainPath, tarPathOf } from "./erofs-image.ts";
import { checkTars, type ErofsMode, mountErofs } from "./erofs-mount.ts";
import { viewTree } from "./erofs-tree.ts";
import { writeChain } from "./materialize.ts";
import { createViews } from "./views.ts";
import { createWritables } from "./writable.ts";

/** Large enough that a tar of hundreds of megabytes costs few calls. */
const READ_SIZE = 1024 * 1024;

export interface ErofsDriverOptions {
  readonly root: string;
  readonly runRoot: string;
  /** How the kernel gets at the files; default "file". */
  readonly mode?: ErofsMode;
  /** Shown by `ply info` after the mode: why this one. */
  readonly because?: string;
}

/**
 * Layers stay tars: one small EROFS image per stack, `chains/<hex>`, points into them, and every container of
 * the image shares its mount as the one lower of its overlay. Needs Linux 6.12, or loop devices and 6.4.
 */
export function erofsDriver({ root, runRoot, mode = "file", because }: ErofsDriverOptions): SnapshotDriver {
  mkdirSync(join(root, "chains"), { recursive: true, mode: 0o700 });
  const turns = createTurns();
  const materialize = (stack: LayerStack, signal?: AbortSignal): Promise<void> =>
    turns.take(hexOf(stack.chainId), () => writeChain(root, stack, signal));
  const views = createViews(runRoot, async (stack, target) => {
    await materialize(stack);
    checkTars(stack.layers);
    mountErofs(mode, chainPath(root, stack.chainId), stack.layers.map(tarPathOf), target);
  });
  const writables = createWritables({
    root,
    hold: views.hold,
    openBase: async (stack) => {
      const view = await views.open(stack);
      return { lowers: [view.path], release: () => void view[Symbol.asyncDispose]() };
    },
  });
  const how = mode === "file" ? "file-backed EROFS mounts" : "EROFS over loop devices";

  return {
    name: "erofs",
    description: because === undefined ? how : `${how} (${because})`,
    materialize: (stack, options) => materialize(stack, options?.signal),
    remove: (chainId) =>
      views.close(chainId, () =>
        turns.take(hexOf(chainId), () => rm(chainPath(root, chainId), { force: true })),
      ),
    view: (stack) => views.open(stack),
    viewTree: (tree, data, place) => viewTree(mode, tree, data, place),
    prepare: writables.prepare,
    release: writables.release,
    discard: writables.discard,
    openTar: (layer, offset = 0) => readTarFile(layer, offset),
    async recover(liveDirs) {
      writables.recover(liveDirs);
      views.recover();
    },
    async orphans(known) {
      const names = new Set([...known].map(hexOf));
      const found = await readdir(join(root, "chains"));
      return found.filter((name) => !names.has(name)).map((name) => join(root, "chains", name));
    },
    async [Symbol.asyncDispose]() {
      await writables[Symbol.asyncDispose]();
      await views.dispose();
    },
  };
}

/** The stored tar without our padding. */
async function* readTarFile(layer: StackLayer, offset: number): AsyncGenerator<Uint8Array> {
  if (offset >= layer.tarSize) return;
  yield* createReadStream(tarPathOf(layer), {
    start: offset,
    end: layer.tarSize - 1,
    highWaterMark: READ_SIZE,
  }) as AsyncIterable<Uint8Array>;
}
