import {
  type CopyInstruction,
  type Dockerfile,
  dockerfileError,
  expandWord,
  parseRunMount,
  type Stage,
  within,
} from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { familiarString, parseReference } from "../oci/index.ts";
import { didYouMean } from "../suggest.ts";
import type { BuildArgs } from "./variables.ts";

/** What a stage begins with or copies from. */
export type Origin =
  | { readonly kind: "stage"; readonly index: number }
  | { readonly kind: "image"; readonly name: string }
  | { readonly kind: "context"; readonly name: string }
  | { readonly kind: "scratch" };

export interface PlannedStage {
  readonly stage: Stage;
  readonly base: Origin;
  /** `--platform`, variables expanded. */
  readonly platform: string | undefined;
  /** Stages that must be there before it, or while it is built. */
  readonly needs: readonly number[];
}

export interface BuildGraph {
  readonly file: Dockerfile;
  /** Every stage of the file. */
  readonly all: readonly PlannedStage[];
  readonly target: PlannedStage;
  /** Those the target needs, in the file's order, the target among them. */
  readonly stages: readonly PlannedStage[];
  readonly escapeToken: "\\" | "`";
  /** Finds what a name after `--from` means for a stage. */
  originOf(name: string, of: Stage): Origin;
}

export interface GraphOptions {
  readonly target: string | undefined;
  readonly args: BuildArgs;
  /** Named contexts that were given: they stand before images and stages of their names. */
  readonly contexts: ReadonlySet<string>;
  /** In place of the image of the first `FROM`. */
  readonly firstBase?: string | undefined;
  /** Stages that the target does not need are in the plan too. */
  readonly allStages?: boolean;
}

/**
 * Works out which stages there are to build and what each needs; global `ARG`s are evaluated into `args.global`.
 * Throws "invalid" with the place for unknown targets, blank base names and circles.
 */
export function planStages(file: Dockerfile, options: GraphOptions): BuildGraph {
  const { args } = options;
  const contexts = new Map([...options.contexts].map((name) => [plainName(name), name]));
  const contextNamed = (name: string): string | undefined => contexts.get(plainName(name));
  const escapeToken = file.directives.escape;
  const lookup = (name: string): string | undefined => args.global.get(name) ?? args.platform.get(name);
  for (const instruction of file.globalArgs)
    within(instruction.at, () => {
      for (const { name, value } of instruction.args) {
        const fallback = value === undefined ? undefined : expandWord(value, { lookup, escapeToken });
        args.used.add(name);
        args.global.set(name, args.given.get(name) ?? fallback ?? args.platform.get(name));
      }
    });

  const byName = (name: string, before: number): Stage | undefined =>
    file.stages.findLast((stage) => stage.index < before && stage.from.name === name.toLowerCase());
  const originOf = (name: string, of: Stage): Origin => {
    const context = contextNamed(name);
    if (context !== undefined) return { kind: "context", name: context };
    const named = byName(name, of.index) ?? file.stages.find(({ from }) => from.name === name.toLowerCase());
    if (named !== undefined) return { kind: "stage", index: named.index };
    if (!/^\d+$/.test(name)) return { kind: "image", name };
    const index = Number(name);
    if (index >= file.stages.length)
      throw new PlyError("invalid", `invalid from flag value ${name}: there is no stage ${name}`);
    return { kind: "stage", index };
  };
  const baseOf = (stage: Stage, image: string): Origin => {
    const context = contextNamed(image);
    if (context !== undefined) return { kind: "context", name: context };
    if (image === "scratch") return { kind: "scratch" };
    const earlier = byName(image, stage.index);
    return earlier === undefined ? { kind: "image", name: image } : { kind: "stage", index: earlier.index };
  };

  const planned = file.stages.map((stage): PlannedStage => {
    const { from } = stage;
    return within(from.at, () => {
      const isFirst = stage.index === 0 && options.firstBase !== undefined;
      const image = isFirst ? (options.firstBase ?? "") : expandWord(from.image, { lookup, escapeToken });
      if (image === "")
        throw new PlyError("invalid", `base name (${from.image}) should not be blank`, {
          hint: "declare the ARG before the first FROM and give it a value",
        });
      const platform =
        from.platform === undefined ? undefined : expandWord(from.platform, { lookup, escapeToken });
      const base = baseOf(stage, image);
      const origins = [base, ...sourcesOf(stage, originOf)];
      const needs = origins.flatMap((origin) => (origin.kind === "stage" ? [origin.index] : []));
      return { stage, base, platform: platform === "" ? undefined : platform, needs: [...new Set(needs)] };
    });
  });
  const target = findTarget(file, planned, options.target);
  return {
    file,
    all: planned,
    target,
    stages: reachable(planned, options.allStages === true ? planned : [target]),
    escapeToken,
    originOf,
  };
}

/** One name for all that mean the same image: `docker.io/library/alpine:latest` is `alpine`. */
function plainName(name: string): string {
  try {
    return familiarString(parseReference(name)).replace(/:latest$/, "");
  } catch {
    return name.toLowerCase();
  }
}

/** What the instructions of a stage copy or mount from. */
function sourcesOf(stage: Stage, originOf: (name: string, of: Stage) => Origin): Origin[] {
  return stage.instructions.flatMap((instruction) =>
    within(instruction.at, () => {
      if (instruction.op === "copy") return copyOrigin(instruction, stage, originOf);
      if (instruction.op !== "run") return [];
      return instruction.mounts.flatMap((text) => {
        // Only `from` is asked for, and that is never expanded.
        const mount = parseRunMount(text.replace(/\$[^,]*/g, "0"), (value) => value);
        const from = "from" in mount ? mount.from : undefined;
        return from === undefined ? [] : [originOf(from, stage)];
      });
    }),
  );
}

function copyOrigin(
  { from }: CopyInstruction,
  stage: Stage,
  originOf: (name: string, of: Stage) => Origin,
): Origin[] {
  return from === undefined ? [] : [originOf(from, stage)];
}

function findTarget(
  file: Dockerfile,
  planned: readonly PlannedStage[],
  wanted: string | undefined,
): PlannedStage {
  const last = planned.at(-1);
  if (last === undefined) throw new PlyError("internal", "a Dockerfile has stages");
  if (wanted === undefined || wanted === "") return last;
  const found =
    planned.findLast(({ stage }) => stage.from.name === wanted.toLowerCase()) ??
    (/^\d+$/.test(wanted) ? planned[Number(wanted)] : undefined);
  if (found !== undefined) return found;
  const names = file.stages.flatMap(({ from }) => from.name ?? []);
  throw new PlyError(
    "invalid",
    `failed to reach build target ${wanted} in Dockerfile${didYouMean(wanted, names)}`,
    names.length === 0 ? {} : { hint: `its stages are ${names.join(", ")}` },
  );
}

/** A stage that stands later. */
export function tooEarly({ index, from }: Stage, needed: Stage | undefined): PlyError {
  const name = needed?.from.name ?? needed?.index;
  return dockerfileError(from.at, `stage ${from.name ?? index} needs stage ${name}, which comes after it`, {
    hint: `put stage ${name} before it`,
  });
}

function reachable(planned: readonly PlannedStage[], targets: readonly PlannedStage[]): PlannedStage[] {
  const done = new Set<number>();
  const underway: number[] = [];
  const visit = (index: number): void => {
    const found = planned[index];
    if (found === undefined || done.has(index)) return;
    if (underway.includes(index)) {
      const { from } = found.stage;
      throw dockerfileError(from.at, `circular dependency detected on stage: ${from.name ?? index}`);
    }
    underway.push(index);
    for (const need of found.needs) visit(need);
    underway.pop();
    done.add(index);
  };
  for (const { stage } of targets) visit(stage.index);
  for (const { stage, needs } of planned)
    if (done.has(stage.index))
      for (const need of needs) if (need > stage.index) throw tooEarly(stage, planned[need]?.stage);
  return planned.filter(({ stage }) => done.has(stage.index));
}
