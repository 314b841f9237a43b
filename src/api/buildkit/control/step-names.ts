import type { BuildStep } from "../../../build/index.ts";
import { type Dockerfile, expandWord, type Stage } from "../../../dockerfile/index.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../../oci/index.ts";

/** How clients show a step of a build. */
export interface StepName {
  readonly name: string;
  /** Of the first step of a stage that begins with an image: the image. */
  readonly image?: string;
}

interface Given {
  readonly buildArgs: ReadonlyMap<string, string>;
  /** In place of images and stages of their names. */
  readonly contexts?: ReadonlyMap<string, unknown>;
}

/** Instructions that change files: BuildKit shows and counts no others. */
const SHOWN: readonly string[] = ["run", "copy", "add", "workdir"];

/** Names steps as BuildKit does, `[base 2/3] RUN make`; undefined: BuildKit does not show it. */
export function createStepNames(file: Dockerfile, given: Given): (step: BuildStep) => StepName | undefined {
  const numbers = new Map<string, number>();
  const known = new Map<string, StepName | undefined>();
  return (step) => {
    const { stage: of, place, text } = step;
    const stage = file.stages[of.index];
    if (stage === undefined) return undefined;
    const stageKey = `${of.index} ${of.name}`;
    const key = `${stageKey} ${place.number}`;
    if (known.has(key)) return known.get(key);
    const isFrom = place.number === 1;
    const image = imageOf(file, stage, given);
    const keyword = /^\S*/.exec(text)?.[0] ?? "";
    const isShown = isFrom ? image !== undefined : SHOWN.includes(keyword.toLowerCase());
    let found: StepName | undefined;
    if (isShown) {
      const number = (numbers.get(stageKey) ?? 0) + 1;
      numbers.set(stageKey, number);
      const triggers = place.total - 1 - stage.instructions.length;
      const shown = stage.instructions.filter(({ op }) => SHOWN.includes(op)).length;
      const total = Math.max(number, triggers + shown + (image === undefined ? 0 : 1));
      const padded = String(number).padStart(String(total).length);
      const prefix = `[${of.name === undefined ? "" : `${of.name} `}${padded}/${total}]`;
      const words = isFrom ? `FROM ${image}` : `${keyword.toUpperCase()}${text.slice(keyword.length)}`;
      found = { name: `${prefix} ${words}`, ...(isFrom && image !== undefined ? { image } : {}) };
    }
    known.set(key, found);
    return found;
  };
}

/** The image that a stage begins with, under its whole name; undefined: another stage, a context, or nothing. */
function imageOf(
  file: Dockerfile,
  { from, index }: Stage,
  { buildArgs, contexts }: Given,
): string | undefined {
  const lookup = (name: string): string | undefined =>
    buildArgs.get(name) ??
    file.globalArgs.flatMap(({ args }) => args).find((arg) => arg.name === name)?.value;
  try {
    const image = expandWord(from.image, { lookup, escapeToken: file.directives.escape });
    if (image === "scratch" || contexts?.has(image) === true) return undefined;
    if (file.stages.some((stage) => stage.index < index && stage.from.name === image.toLowerCase()))
      return undefined;
    return canonicalString(withDefaultTag(parseReference(image)));
  } catch {
    // That it cannot be built is said elsewhere.
    return from.image;
  }
}
