import type { PlyError } from "../../error.ts";
import { type FactOptions, factsOf } from "../facts.ts";
import type { IgnoreFile } from "../ignore.ts";
import type { Dockerfile } from "../instruction.ts";
import type { SourceRange } from "../source.ts";
import { FROM_RULES } from "./from-rules.ts";
import { NAME_RULES } from "./name-rules.ts";
import { isNamed, parseCheckOptions, withComments } from "./options.ts";
import type { LintRule } from "./rule.ts";
import { STEP_RULES } from "./step-rules.ts";

export interface LintOptions extends FactOptions {
  /** Of the context. */
  readonly ignore?: IgnoreFile;
}

export interface LintWarning {
  readonly rule: string;
  readonly description: string;
  /** Docker's page on the rule. */
  readonly url?: string;
  readonly message: string;
  readonly at: SourceRange;
}

export interface LintResult {
  /** In the order of lines. */
  readonly warnings: readonly LintWarning[];
  /** `error=true` and there are some: what a build fails with. */
  readonly violation: string | undefined;
  /** What else fails it: something that cannot be expanded. */
  readonly problem: PlyError | undefined;
}

/** Every rule there is, as <https://docs.docker.com/reference/build-checks/> lists them. */
export const LINT_RULES: readonly LintRule[] = [...NAME_RULES, ...FROM_RULES, ...STEP_RULES];

/** The build argument that stands for the `# check=` directive. */
const OPTIONS_ARG = "BUILDKIT_DOCKERFILE_CHECK";

/** Looks a Dockerfile over. Throws "invalid" when its `check` directive, or the argument in its place, is malformed. */
export async function lintDockerfile(file: Dockerfile, options: LintOptions = {}): Promise<LintResult> {
  const chosen = parseCheckOptions(options.buildArgs?.get(OPTIONS_ARG) ?? file.directives.check ?? "");
  const subject = { ...(await factsOf(file, options)), file, ignore: options.ignore };
  const warnings = LINT_RULES.flatMap((rule) =>
    [...rule.check(subject)].flatMap(({ at, message, comments = [] }): LintWarning[] => {
      const { skip, experimental } = withComments(chosen, comments);
      const isOn = rule.isExperimental ? isNamed(rule.name, experimental) : !isNamed(rule.name, skip);
      if (!isOn) return [];
      const { name, description } = rule;
      return [{ rule: name, description, ...(rule.isUndocumented ? {} : { url: urlOf(name) }), message, at }];
    }),
  ).sort(byLine);
  return {
    warnings,
    violation: chosen.isError && warnings.length > 0 ? violationOf(warnings) : undefined,
    problem: subject.problems[0],
  };
}

/** What was found in one Dockerfile for several platforms, each finding once. */
export function joinResults(results: readonly LintResult[]): LintResult {
  const found = results.flatMap(({ warnings }) => warnings);
  const each = new Map(found.map((one) => [JSON.stringify([one.rule, one.message, one.at]), one]));
  const warnings = [...each.values()].sort(byLine);
  const isViolated = results.some(({ violation }) => violation !== undefined);
  return {
    warnings,
    violation: isViolated ? violationOf(warnings) : undefined,
    problem: results.find(({ problem }) => problem !== undefined)?.problem,
  };
}

function byLine(a: LintWarning, b: LintWarning): number {
  return a.at.start - b.at.start;
}

function violationOf(warnings: readonly LintWarning[]): string {
  return `lint violation found for rules: ${[...new Set(warnings.map(({ rule }) => rule))].join(", ")}`;
}

/** `JSONArgsRecommended` is explained at `…/json-args-recommended/`. */
function urlOf(rule: string): string {
  const words = rule.replace(/([a-z])([A-Z])|([A-Z])([A-Z][a-z])/g, "$1$3-$2$4").toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${words}/`;
}
