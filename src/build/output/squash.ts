import { createUnion, sortTree, type TreeNode } from "../../layer/index.ts";
import type { DiffId, HistoryEntry, ImageId } from "../../oci/index.ts";
import { keyOf } from "../cache/cache.ts";
import { readingBelow } from "../context/file-content.ts";
import { newNode, walkTree } from "../context/file-tree.ts";
import { createLayerPlan, type LayerPlan, secondsOf } from "../copy/layer-plan.ts";
import type { Session, StageResult } from "../session.ts";
import { indexOf } from "../stage-root.ts";

/** The stage with one layer in place of those that are to be squashed; itself where there is nothing to do. */
export async function squash(
  session: Session,
  built: StageResult,
  imageIdOf: (built: StageResult) => ImageId,
): Promise<StageResult> {
  const what = session.options.squash;
  const base = what === "own" ? built.baseDiffIds : [];
  const own = built.diffIds.slice(base.length);
  if (what === undefined || own.length < 2) return built;
  const key = keyOf("squash", [
    ["base", base.join(" ")],
    ["layers", own.join(" ")],
  ]);
  const diffId = await squashedLayer(session, { base, own, key });
  const from = imageIdOf(built);
  const comment = base.length === 0 ? `create new from ${from}` : `merge ${from} to ${built.base.imageId}`;
  const entry: HistoryEntry = { created: createdAt(session, key), comment };
  const isLayer = diffId !== undefined;
  return {
    ...built,
    diffIds: isLayer ? [...base, diffId] : base,
    history: [
      ...withoutLayers(built.history, base.length),
      isLayer ? entry : { ...entry, empty_layer: true },
    ],
  };
}

function createdAt({ options: { times }, cache }: Session, key: string): string {
  const ms = times === undefined ? cache.createdAt(key, false) : secondsOf(times) * 1000;
  return new Date(ms).toISOString();
}

/** As Docker writes it: the steps stay to be read, their layers are the last one's. */
function withoutLayers(history: readonly HistoryEntry[], baseLayers: number): HistoryEntry[] {
  let layers = 0;
  return history.map((entry) => {
    if (entry.empty_layer === true || layers++ < baseLayers) return entry;
    return { ...entry, empty_layer: true };
  });
}

/** Undefined: together they change nothing. */
async function squashedLayer(
  session: Session,
  stack: { readonly base: readonly DiffId[]; readonly own: readonly DiffId[]; readonly key: string },
): Promise<DiffId | undefined> {
  const { parts, lease, cache, options, signal } = session;
  const { key, base, own } = stack;
  const { layers, leases } = parts.store;
  const cached = options.noCache === true ? undefined : cache.find(key);
  if (cached !== undefined && (cached.diffId === null || layers.get(cached.diffId) !== undefined)) {
    if (cached.diffId !== null) leases.addLayer(lease, cached.diffId);
    return cached.diffId ?? undefined;
  }
  const plan = await planSquashed(session, base, own);
  const layer = plan.isEmpty
    ? undefined
    : await layers.ingest(
        { resumable: false, open: async () => plan.tar({ now: session.now, keepsNanos: true }) },
        lease,
        {
          signal,
        },
      );
  cache.put({ key, diffId: layer?.diffId ?? null, text: "squash", size: layer?.contentSize ?? 0 });
  return layer?.diffId;
}

/** What turns the tree of the base into the tree of all, as entries and whiteouts. */
async function planSquashed(
  session: Session,
  base: readonly DiffId[],
  own: readonly DiffId[],
): Promise<LayerPlan> {
  const union = createUnion();
  await session.supply.bring([...base, ...own]);
  for (const diffId of base) union.apply(await indexOf(session.parts.store, diffId));
  // Layers change directories in place: that they did is told by their nodes, what was where by this.
  const before = new Map(base.length === 0 ? [] : walkTree("", union.root));
  for (const diffId of own) union.apply(await indexOf(session.parts.store, diffId));
  sortTree(union.root);
  const after = new Map(walkTree("", union.root));
  const tree = await session.sources.treeOf([...base, ...own]);
  const directory = (await tree.directory?.()) ?? "";
  const content = { root: union.root, ...readingBelow(directory) };
  const plan = createLayerPlan(union.root);
  for (const [path, node] of after) {
    if (!isChanged(node, before.get(path), base.length)) continue;
    plan.put(path, node, node.type === "file" ? { tree: content, path, node } : null);
  }
  for (const path of before.keys()) {
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(0, slash));
    // Below what is gone, or is no directory any more, nothing is left to hide.
    if (after.has(path) || after.get(parent)?.type !== "directory") continue;
    const marker = `.wh.${path.slice(slash + 1)}`;
    plan.put(parent === "" ? marker : `${parent}/${marker}`, newNode({ type: "file", mode: 0 }), null);
  }
  return plan;
}

function isChanged(node: TreeNode, old: TreeNode | undefined, baseCount: number): boolean {
  // A directory that no layer has an entry for needs one where it takes the place of something.
  if (node.implicit) return old !== undefined && node.layer >= baseCount;
  return node !== old || node.layer >= baseCount;
}
