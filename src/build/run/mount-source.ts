import { resolveInTree, type TreeNode } from "../../layer/index.ts";
import type { BuildStep } from "../build.ts";
import type { StepInput } from "../cache/cache.ts";
import { byteString, type TreePlace, walkTree } from "../context/file-tree.ts";
import { notFound } from "../copy/copy-files.ts";
import { contextOf, treeFrom } from "../origin.ts";
import type { StageWork } from "../session.ts";

/** More than this is told apart by the layers that brought it, not by reading it. */
const READ_BYTES = 64 * 1024 * 1024;

/** Finds what `from` and `source` name, links followed within their tree. Throws "not-found". */
export async function sourceOf(
  work: StageWork,
  { from, source }: { readonly from: string | undefined; readonly source: string },
  step: BuildStep,
): Promise<TreePlace> {
  const tree = from === undefined ? contextOf(work.session, "RUN --mount") : await treeFrom(work, from, step);
  const { path, node } = resolveInTree(tree.root, byteString(source));
  if (node === undefined) throw notFound("RUN --mount", source);
  return { tree, path, node };
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
