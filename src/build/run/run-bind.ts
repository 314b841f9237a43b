import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RunMount } from "../../dockerfile/index.ts";
import { copyDirectoryAttributes, mountOverlay, unmountAll } from "../../overlay/index.ts";
import type { StepInput } from "../cache/cache.ts";
import type { TreePlace } from "../context/file-tree.ts";
import type { MountContext, MountPlan, Places } from "./mount-plan.ts";
import { sourceInputs, sourceOf } from "./mount-source.ts";
import { writeTree } from "./write-tree.ts";

/** `--mount=type=bind`: files of others, as they are; what a step writes there is gone when it ends. */
export async function planBind(
  { work, step, target }: MountContext,
  mount: Extract<RunMount, { type: "bind" }>,
): Promise<MountPlan> {
  const source = await sourceOf(work, mount, step);
  const { readOnly } = mount;
  const own: StepInput = ["mount", JSON.stringify({ ...mount, from: undefined })];
  const read = async (): Promise<StepInput[]> => [own, ...(await sourceInputs(target, await source.place()))];
  return {
    inputs: source.layers === undefined ? await read() : { defined: [own, source.layers], read },
    async open(places) {
      const place = await source.place();
      const path = await work.session.sources.pathOf(place);
      const isThere = path !== undefined && (readOnly || place.node.type === "directory");
      const shown = !isThere ? await copied(places, place) : readOnly ? path : writable(places, path);
      return { mount: { kind: "bind", source: shown, target, readOnly } };
    },
  };
}

async function copied(places: Places, source: TreePlace): Promise<string> {
  const path = places.fresh("spool");
  await writeTree(source, path);
  return path;
}

function writable(places: Places, lower: string): string {
  const place = places.fresh("spool");
  const upper = join(place, "upper");
  const workDirectory = join(place, "work");
  const target = join(place, "merged");
  for (const directory of [upper, workDirectory, target]) mkdirSync(directory, { recursive: true });
  copyDirectoryAttributes(lower, upper);
  mountOverlay({ lowers: [lower], writable: { upper, work: workDirectory, isEphemeral: true }, target });
  places.stack.defer(() => unmountAll(target));
  return target;
}
