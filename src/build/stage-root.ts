import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createUnion, decodeIndex, resolveInTree, sortTree, type TreeNode } from "../layer/index.ts";
import { chainIdsOf, type DiffId } from "../oci/index.ts";
import type { LayerRecord, LayerStack, Store } from "../store/index.ts";
import { byteString } from "./context/file-tree.ts";
import type { LayerPlan } from "./copy/layer-plan.ts";

/** The layers of a stage while it is built, and the tree they make. */
export interface StageRoot {
  /** The tree with all that was planned and run so far; read when it is first asked for. */
  tree(): Promise<TreeNode>;
  /** A plan's layer: the tree has it already, unless it was planned over nothing. */
  addPlanned(plan: LayerPlan | undefined, layer: Promise<LayerRecord | undefined>): void;
  /** A layer that is here: its index is read when the tree is next asked for. */
  addLayer(layer: LayerRecord | undefined): void;
  /** All layers, bottom to top; waits for those on their way. */
  diffIds(): Promise<DiffId[]>;
  /** For each layer that was added, whether it holds anything; waits for those on their way. */
  added(): Promise<(LayerRecord | undefined)[]>;
  /** Text of a file, symlinks followed; "" where there is none. */
  readText(path: string): Promise<string>;
}

export interface StageRootParts {
  readonly store: Pick<Store, "layers">;
  readonly base: readonly DiffId[];
  /** Reads a file of a stack of layers by its real path. */
  readonly readFile: (stack: LayerStack, path: string) => Promise<Buffer>;
}

export function createStageRoot({ store, base, readFile: readOf }: StageRootParts): StageRoot {
  const union = createUnion();
  const plans: LayerPlan[] = [];
  const added: Promise<LayerRecord | undefined>[] = [];
  const toApply: (LayerRecord | Promise<LayerRecord | undefined>)[] = [];
  let isBaseRead = false;

  const apply = async (layers: readonly LayerRecord[]): Promise<void> => {
    const indexes = await Promise.all(layers.map(({ dir }) => readFile(join(dir, "index"))));
    for (const index of indexes) union.apply(decodeIndex(index));
    if (indexes.length > 0) sortTree(union.root);
  };

  const tree = async (): Promise<TreeNode> => {
    if (!isBaseRead) await apply(base.map((diffId) => layerOf(store, diffId)));
    isBaseRead = true;
    const layers = await Promise.all(toApply.splice(0));
    await apply(layers.filter((layer) => layer !== undefined));
    return union.root;
  };

  const settled = (): Promise<(LayerRecord | undefined)[]> => Promise.all(added);
  const diffIds = async (): Promise<DiffId[]> => [
    ...base,
    ...(await settled()).flatMap((layer) => (layer === undefined ? [] : [layer.diffId])),
  ];

  return {
    tree,
    addPlanned(plan, layer) {
      // Whoever waits for the layers hears of its failure; until then nobody may.
      layer.catch(() => undefined);
      added.push(layer);
      if (plan?.standsAlone === true) toApply.push(layer);
      else if (plan !== undefined) plans.push(plan);
    },
    addLayer(layer) {
      added.push(Promise.resolve(layer));
      if (layer !== undefined) toApply.push(layer);
    },
    diffIds,
    added: settled,
    async readText(path) {
      const { node, path: real } = resolveInTree(await tree(), byteString(path));
      if (node === undefined || node.type !== "file") return "";
      const found = await Promise.all(plans.map((plan) => plan.contentOf(node)));
      const planned = found.find((content) => content !== undefined);
      if (planned !== undefined) return Buffer.concat([...copies(planned)]).toString("utf8");
      const stack = stackOf(store, await diffIds());
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
