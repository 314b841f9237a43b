import type { DiffId, HistoryEntry } from "../oci/index.ts";
import { keyOf } from "./cache/cache.ts";
import { type FileTree, newNode } from "./context/file-tree.ts";
import { copyFound } from "./copy/copy-files.ts";
import { createLayerPlan, secondsOf } from "./copy/layer-plan.ts";
import type { Session } from "./session.ts";
import { LAYER_COMMENT } from "./step-history.ts";

/** A context's files as the one layer that a stage begins with; `name` is the context's. */
export async function layerOfContext(
  { parts, options, lease, signal, now }: Session,
  tree: FileTree,
  name: string,
): Promise<{
  readonly diffIds: readonly DiffId[];
  readonly history: readonly HistoryEntry[];
  readonly historyKey: string;
}> {
  const plan = createLayerPlan(newNode({ type: "directory", mode: 0o755 }));
  const root = { tree, path: "", node: tree.root, name: "", written: name };
  await copyFound(plan, [root], {
    name: "FROM",
    destination: "/",
    owner: undefined,
    mode: undefined,
    madeMode: 0o755,
    keepParents: false,
    isAlone: true,
    excludes: [],
  });
  const times = options.times === undefined ? {} : { times: options.times };
  const { diffId } = await parts.store.layers.ingest(
    { resumable: false, open: async () => plan.tar({ now, ...times }) },
    lease,
    { signal },
  );
  const made = options.times === undefined ? now : secondsOf(options.times);
  return {
    diffIds: [diffId],
    history: [
      {
        created: new Date(made * 1000).toISOString(),
        created_by: `FROM ${name} # context`,
        comment: LAYER_COMMENT,
      },
    ],
    historyKey: keyOf("context", [["layer", diffId]]),
  };
}
