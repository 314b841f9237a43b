import { chainIdsOf, type DiffId } from "../../oci/index.ts";
import type { BuildOptions } from "../build.ts";
import type { StepInput } from "./cache.ts";
import { LAYERS_OF } from "./difference.ts";

/**
 * What a step is, told without the files of the layers that it stands on or takes files from: by their names. The same
 * definition comes to the same step key, so a step that is known by it needs none of those layers. What differs here
 * may be the same step even so: its key tells.
 */
export interface Definition {
  readonly key: string;
  readonly inputs: readonly StepInput[];
}

/** What a stack of layers is; "" for none. */
export function chainOf(diffIds: readonly DiffId[]): string {
  return chainIdsOf(diffIds).at(-1) ?? "";
}

/** What a step over layers is made of: `own` is what its instruction says. */
export function inputsOver(
  below: readonly DiffId[],
  own: readonly StepInput[],
  { times }: Pick<BuildOptions, "times">,
): StepInput[] {
  return [
    ["the layers below", chainOf(below)],
    ...own,
    ...(times === undefined ? [] : [["times", JSON.stringify(times)] as const]),
  ];
}

/** Layers that a step takes files from; `from`: as the Dockerfile calls them. */
export function layersInput(from: string, diffIds: readonly DiffId[]): StepInput {
  return [`${LAYERS_OF}${from}`, chainOf(diffIds)];
}
