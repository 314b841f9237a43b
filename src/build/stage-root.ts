import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createUnion, decodeIndex, resolveInTree, sortTree, type TreeNode } from "../layer/index.ts";
import { chainIdsOf, type DiffId } from "../oci/index.ts";
import type { LayerRecord, LayerStack, Store } from "../store/index.ts";
import { byteString } from "../tar/index.ts";
import type { LayerPlan } from "./copy/layer-plan.ts";
import type { KnownLayer, LayerSupply } from "./layer-supply.ts";

/** The layers of a stage while it is built, and the tree they make. */
export interface StageRoot {
  /** The tree with all that was planned and run so far; read when it is first asked for. */
  tree(): Promise<TreeNode>;
  /** A plan's layer: the tree has it already, unless it was planned over nothing. */
  addPlanned(plan: LayerPlan, layer: Promise<KnownLayer | undefined>): void;
  /** A layer of files that nobody has looked at: it is brought in and its index read when the tree is next asked for. */
  addLayer(layer: KnownLayer | undefined): void;
  /** All layers, bottom to top; waits for those on their way. */
  diffIds(): Promise<DiffId[]>;
  /** For each layer that was added, whether it holds anything; waits for those on their way. */
  added(): Promise<(KnownLayer | undefined)[]>;
  /** None of them is still being made. */
  readonly isSettled: boolean;
  /** All of them are here, or being made. */
  readonly isHere: boolean;
  /** Text of a file, symlinks followed; "" where there is none. */
  readText(path: string): Promise<string>;
}

export interface StageRootParts {
  readonly store: Pick<Store, "layers">;
  readonly supply: Pick<LayerSupply, "bring" | "isHere">;
  readonly base: readonly DiffId[];
  /** Reads a file of a stack of layers by its real path. */
  readonly readFile: (stack: LayerStack, path: string) => Promise<Buffer>;
}

export function createStageRoot({ store, supply, base, readFile: readOf }: StageRootParts): StageRoot {
  const union = createUnion();
  const plans: LayerPlan[] = [];
  const added: Promise<KnownLayer | undefined>[] = [];
  const toApply: (KnownLayer | Promise<KnownLayer | undefined>)[] = [];
  const absent = new Set(base.filter((diffId) => !supply.isHere(diffId)));
  let underway = 0;
  let isBaseRead = false;

  const apply = async (wanted: readonly DiffId[]): Promise<void> => {
    await supply.bring(wanted);
    const indexes = await Promise.all(wanted.map((diffId) => indexOf(store, diffId)));
    for (const index of indexes) union.apply(index);
    if (indexes.length > 0) sortTree(union.root);
  };

  const tree = async (): Promise<TreeNode> => {
    const layers = await Promise.all(toApply.splice(0));
    const news = layers.flatMap((layer) => layer?.diffId ?? []);
    const below = isBaseRead ? [] : base;
    isBaseRead = true;
    await apply([...below, ...news]);
    return union.root;
  };

  const settled = (): Promise<(KnownLayer | undefined)[]> => Promise.all(added);
  const diffIds = async (): Promise<DiffId[]> => [
    ...base,
    ...(await settled()).flatMap((layer) => (layer === undefined ? [] : [layer.diffId])),
  ];

  return {
    tree,
    addPlanned(plan, layer) {
      // Whoever waits for the layers hears of its failure; until then nobody may.
      underway++;
      layer.then(
        () => underway--,
        () => underway--,
      );
      added.push(layer);
      if (plan.standsAlone) toApply.push(layer);
      else plans.push(plan);
    },
    addLayer(layer) {
      added.push(Promise.resolve(layer));
      if (layer === undefined) return;
      toApply.push(layer);
      if (!supply.isHere(layer.diffId)) absent.add(layer.diffId);
    },
    diffIds,
    added: settled,
    get isSettled() {
      return underway === 0;
    },
    get isHere() {
      return [...absent].every(supply.isHere);
    },
    async readText(path) {
      const { node, path: real } = resolveInTree(await tree(), byteString(path));
      if (node === undefined || node.type !== "file") return "";
      const found = await Promise.all(plans.map((plan) => plan.contentOf(node)));
      const planned = found.find((content) => content !== undefined);
      if (planned !== undefined) return Buffer.concat([...copies(planned)]).toString("utf8");
      const ids = await diffIds();
      await supply.bring(ids);
      const stack = stackOf(store, ids);
      return stack === null ? "" : (await readOf(stack, real)).toString("utf8");
    },
  };
}

function* copies(chunks: Iterable<Uint8Array>): Generator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

function layerOf(store: Pick<Store, "layers">, diffId: DiffId): LayerRecord {
  const layer = store.layers.get(diffId);
  if (layer === undefined) throw new Error(`layer ${diffId} is not in the store`);
  return layer;
}

/** The entries of a layer that is here. */
export async function indexOf(
  store: Pick<Store, "layers">,
  diffId: DiffId,
): Promise<ReturnType<typeof decodeIndex>> {
  return decodeIndex(await readFile(join(layerOf(store, diffId).dir, "index")));
}

/** Layers as storage drivers want them; null for none. */
export function stackOf(store: Pick<Store, "layers">, diffIds: readonly DiffId[]): LayerStack | null {
  const chainId = chainIdsOf(diffIds).at(-1);
  if (chainId === undefined) return null;
  const layers = diffIds.map((diffId) => {
    const { dir, tarSize } = layerOf(store, diffId);
    return { diffId, dir, tarSize };
  });
  return { chainId, layers };
}
