import { within } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { platformOf } from "../image/index.ts";
import type { DiffId, Platform } from "../oci/index.ts";
import { baseImage, platformOfStage, SCRATCH_CONFIG } from "./base.ts";
import { layerOfContext } from "./base-tree.ts";
import type { BuildStep } from "./build.ts";
import { keyOf } from "./cache/cache.ts";
import { chainOf } from "./cache/definition.ts";
import type { StageBase } from "./cache/difference.ts";
import { warnOfPlatform } from "./foreign.ts";
import type { PlannedStage } from "./graph.ts";
import { noteUse } from "./origin.ts";
import type { Session, StageResult } from "./session.ts";

/** What a stage begins with: an image, an earlier stage, a directory or nothing. */
export interface Begin
  extends Pick<
    StageResult,
    "config" | "args" | "author" | "history" | "records" | "historyKey" | "platform" | "base"
  > {
  readonly diffIds: readonly DiffId[];
}

/** Finds what a stage stands on; images that are not here are pulled. Throws with the place of the FROM. */
export async function beginStage(session: Session, planned: PlannedStage, step: BuildStep): Promise<Begin> {
  const { base, stage } = planned;
  const platform = within(step.at, () => platformOfStage(session, planned.platform));
  const nothing = {
    diffIds: [],
    config: SCRATCH_CONFIG,
    args: [],
    author: undefined,
    history: [],
    records: [],
    historyKey: keyOf("scratch", []),
    platform,
    base: { imageId: `sha256:${"0".repeat(64)}`, imageName: "scratch" },
  } as const;
  if (base.kind === "scratch") return { ...nothing, base: nothing.base as Begin["base"] };
  if (base.kind === "stage") return await session.stageOf(base.index);
  if (base.kind === "context") {
    const other = session.options.contexts?.get(base.name);
    if (other === undefined) throw new PlyError("internal", `there is no context ${base.name}`);
    if (!("image" in other)) {
      noteUse(session, other);
      const begun = { ...nothing, ...(await layerOfContext(session, other, base.name)) };
      return { ...begun, base: { ...(nothing.base as Begin["base"]), imageName: base.name } };
    }
    return beginWithImage(session, other.image, planned, platform, step);
  }
  return within(stage.from.at, () => beginWithImage(session, base.name, planned, platform, step));
}

async function beginWithImage(
  session: Session,
  name: string,
  planned: PlannedStage,
  platform: Platform,
  step: BuildStep,
): Promise<Begin> {
  const { stage } = planned;
  const isChosen = planned.platform !== undefined || session.platform !== undefined;
  const { id, config: image } = await baseImage(session, name, isChosen ? platform : undefined, step);
  if (!isChosen) warnOfPlatform(session, image, stage.from.at);
  return {
    diffIds: image.rootfs.diff_ids,
    config: image.config ?? {},
    args: [],
    author: image.author,
    history: image.history ?? [],
    records: [],
    historyKey: keyOf("image", [["id", id]]),
    platform: platformOf(image),
    base: { imageId: id, imageName: name },
  };
}

/** What a stage stands on, as it is told in explanations. */
export function tracedBase({ base, stage }: PlannedStage, begin: Begin): StageBase {
  const chain = chainOf(begin.diffIds);
  if (base.kind !== "stage") return { name: begin.base.imageName, id: begin.base.imageId, chain };
  return { name: stage.from.image, id: chain, chain };
}
