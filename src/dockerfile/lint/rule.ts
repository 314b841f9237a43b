import type { DockerfileFacts, StepFacts } from "../facts.ts";
import type { IgnoreFile } from "../ignore.ts";
import type { Dockerfile } from "../instruction.ts";
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
export interface LintSubject extends DockerfileFacts {
  readonly file: Dockerfile;
  readonly ignore: IgnoreFile | undefined;
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
