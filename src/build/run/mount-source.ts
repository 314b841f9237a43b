import { resolveInTree, type TreeNode } from "../../layer/index.ts";
import { byteString } from "../../tar/index.ts";
import type { BuildStep } from "../build.ts";
import type { StepInput } from "../cache/cache.ts";
import { layersInput } from "../cache/definition.ts";
import { type TreePlace, walkTree } from "../context/file-tree.ts";
import { notFound } from "../copy/copy-files.ts";
import { contextOf, originFrom } from "../origin.ts";
import type { StageWork } from "../session.ts";

/** More than this is told apart by the layers that brought it, not by reading it. */
const READ_BYTES = 64 * 1024 * 1024;

/** What a mount shows. */
export interface MountSource {
  /** The layers that it is in, by name; undefined: it is in none. */
  readonly layers: StepInput | undefined;
  /** Finds it, links followed within its tree. Throws "not-found". */
  place(): Promise<TreePlace>;
}

/** What `from` and `source` name: in layers it is looked for when it is asked for, elsewhere now. Throws "not-found". */
export async function sourceOf(
  work: StageWork,
  { from, source }: { readonly from: string | undefined; readonly source: string },
  step: BuildStep,
): Promise<MountSource> {
  const origin =
    from === undefined ? contextOf(work.session, "RUN --mount") : await originFrom(work, from, step);
  const find = async (): Promise<TreePlace> => {
    const tree = "root" in origin ? origin : await work.session.sources.treeOf(origin.layers);
    const { path, node } = resolveInTree(tree.root, byteString(source));
    if (node === undefined) throw notFound("RUN --mount", source);
    return { tree, path, node };
  };
  let found: Promise<TreePlace> | undefined;
  const place = (): Promise<TreePlace> => (found ??= find());
  if ("layers" in origin) return { layers: layersInput(from ?? "", origin.layers), place };
  await place();
  return { layers: undefined, place };
}

/** What tells these files from others. */
export async function sourceInputs(target: string, { tree, path, node }: TreePlace): Promise<StepInput[]> {
  const { originOf } = tree;
  const isRead = originOf === undefined || bytesBelow(path, node) <= READ_BYTES;
  const inputs: StepInput[] = [];
  for (const [below, each] of walkTree(path, node)) {
    const { type, mode, uid, gid, linkTarget } = each;
    const content = type !== "file" ? linkTarget : isRead ? await tree.digestOf(below, each) : originOf(each);
    inputs.push([`${target}: ${below}`, `${type} ${mode.toString(8)} ${uid}:${gid} ${content}`]);
  }
  return inputs;
}

function bytesBelow(path: string, node: TreeNode): number {
  let bytes = 0;
  for (const [, { size }] of walkTree(path, node)) bytes += size;
  return bytes;
}
