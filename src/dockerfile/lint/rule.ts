import type { Platform } from "../../oci/index.ts";
import type { IgnoreFile } from "../ignore.ts";
import type { Dockerfile, Instruction, Stage } from "../instruction.ts";
import type { SourceRange } from "../source.ts";

/** A check of a Dockerfile. Names, descriptions and messages are BuildKit's: people look for them and skip by them. */
export interface LintRule {
  readonly name: string;
  readonly description: string;
  /** Only on when it is asked for. */
  readonly isExperimental?: boolean;
  /** Docker has no page on it. */
  readonly isUndocumented?: boolean;
  readonly check: (subject: LintSubject) => Iterable<Finding>;
}

export interface Finding {
  readonly at: SourceRange;
  readonly message: string;
  /** Of the instruction: they may switch the rule off. */
  readonly comments?: readonly string[];
}

/** What rules look at. */
export interface LintSubject {
  readonly file: Dockerfile;
  readonly ignore: IgnoreFile | undefined;
  /** `TARGETPLATFORM` and its like. */
  readonly platformArgs: ReadonlyMap<string, string>;
  /** Arguments before the first `FROM` as they are when nothing is given; undefined: they cannot be expanded. */
  readonly defaults: ReadonlyMap<string, string> | undefined;
  /** Names that a `FROM` may use. */
  readonly globalNames: readonly string[];
  /** All stages. */
  readonly stages: readonly StageFacts[];
}

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
  /** Words with their variables put in; as written where they cannot be. */
  readonly expand: (word: string) => string;
  readonly expandList: (text: string) => string[];
}

/** A word with its variables put in. */
export interface Expansion {
  readonly text: string;
  readonly used: ReadonlySet<string>;
  readonly unset: ReadonlySet<string>;
}

/** Every step of the stages that are looked at. */
export function* stepsOf({ stages }: LintSubject): Generator<StepFacts> {
  for (const { isLookedAt, steps } of stages) if (isLookedAt) yield* steps;
}

/** A finding about an instruction. */
export function about(
  { at, comments }: { readonly at: SourceRange; readonly comments: readonly string[] },
  message: string,
): Finding {
  return { at, comments, message };
}
