import { PlyError } from "../error.ts";
import type { DiffId } from "../oci/index.ts";
import { baseImage } from "./base.ts";
import type { BuildStep } from "./build.ts";
import type { FileTree } from "./context/file-tree.ts";
import { tooEarly } from "./graph.ts";
import type { Session, StageWork } from "./session.ts";

/** What the client sent. Throws "invalid" when that is nothing. */
export function contextOf({ options }: Session, name: string): FileTree {
  if (options.context === null)
    throw new PlyError("invalid", `${name} failed: there is no build context`, {
      hint: "give a directory instead of -",
    });
  return options.context;
}

/** The build's result is made of this: where it was fetched, provenance says so. */
export function noteUse({ materials }: Session, { fetched }: FileTree): void {
  if (fetched !== undefined) materials.set(fetched.uri, fetched);
}

/** The tree that `--from` names: a stage, a named context or an image. */
export async function treeFrom(work: StageWork, from: string, step: BuildStep): Promise<FileTree> {
  const found = await originFrom(work, from, step);
  return "root" in found ? found : work.session.sources.treeOf(found.layers);
}

/** The same, of a stage or image by its layers alone. */
export async function originFrom(
  work: StageWork,
  from: string,
  step: BuildStep,
): Promise<FileTree | { readonly layers: readonly DiffId[] }> {
  const { session, planned } = work;
  const origin = session.graph.originOf(from, planned.stage);
  if (origin.kind === "stage") {
    // What ONBUILD triggers need is known only now: no circle can come of stages before this one.
    if (origin.index >= planned.stage.index)
      throw tooEarly(planned.stage, session.graph.all[origin.index]?.stage);
    const { diffIds } = await session.stageOf(origin.index);
    return { layers: diffIds };
  }
  if (origin.kind === "scratch") throw new PlyError("invalid", "nothing can be copied from scratch");
  const context = origin.kind === "context" ? session.options.contexts?.get(origin.name) : undefined;
  if (context !== undefined && !("image" in context)) {
    noteUse(session, context);
    return context;
  }
  const image = await baseImage(session, context?.image ?? origin.name, session.platform, step);
  return { layers: image.config.rootfs.diff_ids };
}
