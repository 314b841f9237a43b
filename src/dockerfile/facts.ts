import { PlyError } from "../error.ts";
import type { Platform } from "../oci/index.ts";
import { attempt } from "./attempt.ts";
import type { EscapeToken } from "./directive.ts";
import type { ArgInstruction, Dockerfile, Instruction, Stage } from "./instruction.ts";
import { parseTrigger } from "./parse.ts";
import { dockerfileError } from "./source.ts";
import { expandText, expandWord, expandWords, type WordOptions } from "./word.ts";

/** A Dockerfile as a build with these arguments would see it. */
export interface DockerfileFacts {
  /** `TARGETPLATFORM` and its like. */
  readonly platformArgs: ReadonlyMap<string, string>;
  /** Arguments before the first `FROM`, with those that were given. */
  readonly globals: ReadonlyMap<string, string>;
  /** The same as they are when nothing is given; undefined: they cannot be expanded. */
  readonly defaults: ReadonlyMap<string, string> | undefined;
  /** Names that a `FROM` may use. */
  readonly globalNames: readonly string[];
  /** All stages. */
  readonly stages: readonly StageFacts[];
  /** What cannot be expanded, and fails the build. */
  readonly problems: readonly PlyError[];
}

export interface FactOptions {
  readonly buildArgs?: ReadonlyMap<string, string>;
  /** `TARGETPLATFORM` and its like. */
  readonly platformArgs?: ReadonlyMap<string, string>;
  /** Stages that are built, by index; absent: all are looked at. */
  readonly stages?: ReadonlySet<number>;
  /** What is known of the image that a stage begins with, for its `--platform`. */
  readonly baseOf?: (
    stage: Stage,
    image: string,
    platform: string | undefined,
  ) => Knowledge | Promise<Knowledge>;
}

type Knowledge = BaseFacts | undefined;

export interface StageFacts {
  readonly stage: Stage;
  /** It is built, or none was asked for. */
  readonly isLookedAt: boolean;
  /** What its name of the image comes to, and its `--platform`. */
  readonly image: Expansion;
  readonly platform: Expansion | undefined;
  /** Of an image that is known. */
  readonly base: BaseFacts | undefined;
  readonly steps: readonly StepFacts[];
}

/** What is known of an image that a stage begins with. */
export interface BaseFacts {
  /** `KEY=value`. */
  readonly env: readonly string[];
  readonly hasShell: boolean;
  /** Of `ONBUILD`. */
  readonly triggers: readonly string[];
  readonly platform?: Platform;
}

/** An instruction, and how things stand when it is its turn. */
export interface StepFacts {
  readonly instruction: Instruction;
  /** Variables that it may use. */
  readonly knownNames: readonly string[];
  /** Variables that it uses and that nobody declared. */
  readonly undefinedNames: readonly string[];
  /** The environment of the image at the bottom is known: there are no other names. */
  readonly isEnvironmentKnown: boolean;
  readonly isWorkdirSet: boolean;
  readonly hasShell: boolean;
  /** Of an `ARG`: what its names are worth from here on; `isOwn`: not by an `ARG` before the first `FROM`. */
  readonly declares: readonly DeclaredArg[];
  /** Words with their variables put in; as written where they cannot be. */
  readonly expand: (word: string) => string;
  readonly expandList: (text: string) => string[];
}

export interface DeclaredArg {
  readonly name: string;
  readonly value: string | undefined;
  readonly isOwn: boolean;
}

/** A word with its variables put in. */
export interface Expansion {
  readonly text: string;
  readonly used: ReadonlySet<string>;
  /** Those without a value, whether a default stands in for it or not. */
  readonly unset: ReadonlySet<string>;
  /** Why it stays as written. */
  readonly error: PlyError | undefined;
}

/** Walks a Dockerfile as a build would, and notes how things stand at each instruction. */
export async function factsOf(file: Dockerfile, options: FactOptions): Promise<DockerfileFacts> {
  const { buildArgs = new Map(), platformArgs = new Map() } = options;
  const escapeToken = file.directives.escape;
  const global = globalValues(file.globalArgs, { platformArgs, buildArgs, escapeToken });
  const declared = file.globalArgs.flatMap(({ args }) => args.map(({ name }) => name));
  const stages: StageFacts[] = [];
  const ends: StageEnd[] = [];
  const problems: PlyError[] = [];
  for (const stage of file.stages) {
    const { from } = stage;
    const values = global ?? platformArgs;
    const image = expansionOf(from.image, values, escapeToken);
    const platform =
      from.platform === undefined ? undefined : expansionOf(from.platform, values, escapeToken);
    const parent = file.stages.findLast(
      ({ index, from: { name } }) => index < stage.index && name === image.text.toLowerCase(),
    );
    const base = parent === undefined ? await baseOf(stage, image.text, platform?.text, options) : undefined;
    const begin = (parent === undefined ? undefined : ends[parent.index]) ?? beginning(base);
    const { steps, end, problems: found } = walk(stage, begin, { buildArgs, global: values, escapeToken });
    ends.push(end);
    const isLookedAt = options.stages?.has(stage.index) ?? true;
    if (isLookedAt) problems.push(...found);
    stages.push({ stage, isLookedAt, image, platform, base, steps });
  }
  return {
    platformArgs,
    globals: global ?? platformArgs,
    defaults: globalValues(file.globalArgs, { platformArgs, buildArgs: new Map(), escapeToken }),
    globalNames: [...new Set([...declared, ...platformArgs.keys()])],
    stages,
    problems,
  };
}

/** Every Linux image from nothing has this one. */
const SCRATCH: BaseFacts = { env: [], hasShell: false, triggers: [] };

async function baseOf(
  stage: Stage,
  image: string,
  platform: string | undefined,
  { baseOf: known }: FactOptions,
): Promise<BaseFacts | undefined> {
  return image === "scratch" ? SCRATCH : known?.(stage, image, platform);
}

/** What is set where a stage ends, for those that begin with it. */
interface StageEnd {
  readonly values: ReadonlyMap<string, string>;
  readonly declared: ReadonlySet<string>;
  readonly isEnvironmentKnown: boolean;
  readonly isWorkdirSet: boolean;
  readonly hasShell: boolean;
  readonly triggers: readonly string[];
}

function beginning(base: BaseFacts | undefined): StageEnd {
  const values = new Map([["PATH", ""]]);
  for (const entry of base?.env ?? []) {
    const equals = entry.indexOf("=");
    if (equals > 0) values.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return {
    values,
    declared: new Set(),
    isEnvironmentKnown: base !== undefined,
    isWorkdirSet: false,
    hasShell: base?.hasShell ?? false,
    triggers: base?.triggers ?? [],
  };
}

interface WalkOptions {
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly global: ReadonlyMap<string, string>;
  readonly escapeToken: EscapeToken;
}

function walk(
  { from, instructions }: Stage,
  begin: StageEnd,
  { buildArgs, global, escapeToken }: WalkOptions,
): { readonly steps: StepFacts[]; readonly problems: readonly PlyError[]; readonly end: StageEnd } {
  let { values, isWorkdirSet, hasShell } = begin;
  const { isEnvironmentKnown } = begin;
  const declared = new Set(begin.declared);
  const steps: StepFacts[] = [];
  const problems: PlyError[] = [];
  const triggers: string[] = [];
  const inherited = begin.triggers.flatMap((trigger) => attempt(() => parseTrigger(trigger, from.image), []));
  for (const instruction of [...inherited, ...instructions]) {
    const before = values;
    const unset = new Set<string>();
    const declares: DeclaredArg[] = [];
    const note = ({ unset: names, error }: Expansion): void => {
      for (const name of names) if (!declared.has(name)) unset.add(name);
      if (error !== undefined && isEnvironmentKnown)
        problems.push(dockerfileError(instruction.at, error.message));
    };
    for (const word of wordsOf(instruction)) note(expansionOf(word, before, escapeToken));
    for (const text of inlineTexts(instruction)) note(expansionOf(text, before, escapeToken, expandText));
    if (instruction.op === "env") {
      const expanded = instruction.pairs.map((pair) =>
        pair.map((word) => expansionOf(word, before, escapeToken).text),
      );
      values = new Map([...before, ...expanded.map(([key = "", value = ""]) => [key, value] as const)]);
    } else if (instruction.op === "arg") {
      const after = new Map(before);
      values = after;
      for (const { name, value } of instruction.args) {
        const given = buildArgs.get(name);
        const fallback =
          given !== undefined || value === undefined ? undefined : expansionOf(value, values, escapeToken);
        if (fallback !== undefined) note(fallback);
        declared.add(name);
        const own = given ?? fallback?.text;
        const set = own ?? global.get(name);
        if (set !== undefined) after.set(name, set);
        declares.push({ name, value: set, isOwn: own !== undefined || set === undefined });
      }
    }
    const expand = (word: string) => expansionOf(word, before, escapeToken).text;
    steps.push({
      instruction,
      knownNames: [...new Set([...before.keys(), ...declared])],
      undefinedNames: [...unset],
      isEnvironmentKnown,
      isWorkdirSet,
      hasShell,
      declares,
      expand,
      expandList: (text) => attempt(() => expandWords(text, wordOptions(before, escapeToken)), [text]),
    });
    if (instruction.op === "workdir") isWorkdirSet = true;
    if (instruction.op === "shell") hasShell = true;
    if (instruction.op === "onbuild") triggers.push(instruction.trigger);
  }
  return {
    // What images bring along is not this file's.
    steps: steps.slice(inherited.length),
    problems,
    end: { values, declared, isEnvironmentKnown, isWorkdirSet, hasShell, triggers },
  };
}

/** What of an instruction has its variables put in, one word at a time. */
function wordsOf(instruction: Instruction): readonly string[] {
  switch (instruction.op) {
    case "copy":
    case "add": {
      const paths = instruction.sources.flatMap((source) => (source.kind === "path" ? [source.path] : []));
      const { destination, chown, chmod, excludes } = instruction;
      return [...paths, destination, chown, chmod, ...excludes];
    }
    case "env":
    case "label":
      return instruction.pairs.flat();
    case "workdir":
    case "user":
    case "stopsignal":
      return [instruction.value];
    case "volume":
      return instruction.values;
    case "run":
      return instruction.mounts;
    default:
      return [];
  }
}

function inlineTexts(instruction: Instruction): readonly string[] {
  if (instruction.op !== "copy" && instruction.op !== "add") return [];
  return instruction.sources.flatMap((source) =>
    source.kind === "inline" && source.isExpanded ? [source.content] : [],
  );
}

interface GlobalOptions {
  readonly platformArgs: ReadonlyMap<string, string>;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly escapeToken: EscapeToken;
}

/** Arguments before the first `FROM`; undefined where one of them cannot be expanded. */
function globalValues(
  instructions: readonly ArgInstruction[],
  { platformArgs, buildArgs, escapeToken }: GlobalOptions,
): ReadonlyMap<string, string> | undefined {
  const values = new Map(platformArgs);
  for (const { name, value } of instructions.flatMap(({ args }) => args)) {
    const given = buildArgs.get(name);
    if (given === undefined && value === undefined) continue;
    const options = wordOptions(values, escapeToken);
    const set = given ?? attempt(() => expandWord(value ?? "", options));
    if (set === undefined) return undefined;
    values.set(name, set);
  }
  return values;
}

function wordOptions(values: ReadonlyMap<string, string>, escapeToken: EscapeToken): WordOptions {
  return { lookup: (name) => values.get(name), escapeToken };
}

function expansionOf(
  word: string,
  values: ReadonlyMap<string, string>,
  escapeToken: EscapeToken,
  expand: (word: string, options: WordOptions) => string = expandWord,
): Expansion {
  const used = new Set<string>();
  const unset = new Set<string>();
  const lookup = (name: string): string | undefined => {
    const value = values.get(name);
    (value === undefined ? unset : used).add(name);
    return value;
  };
  try {
    return { text: expand(word, { escapeToken, lookup }), used, unset, error: undefined };
  } catch (error) {
    if (!(error instanceof PlyError)) throw error;
    return { text: word, used, unset, error };
  }
}
