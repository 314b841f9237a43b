import { parseBoolean } from "../../boolean.ts";
import { attempt } from "../attempt.ts";
import { bad } from "../source.ts";

/** Which rules run, and whether findings fail a build. */
export interface CheckOptions {
  readonly skip: RuleNames;
  readonly experimental: RuleNames;
  readonly isError: boolean;
}

type RuleNames = "all" | ReadonlySet<string>;

const NONE: ReadonlySet<string> = new Set();

/** `skip=A,B;error=true;experimental=all`, as `# check=` and `BUILDKIT_DOCKERFILE_CHECK` have it. Throws "invalid". */
export function parseCheckOptions(text: string): CheckOptions {
  let [skip, experimental, isError]: [RuleNames, RuleNames, boolean] = [NONE, NONE, false];
  for (const part of text.trim() === "" ? [] : text.split(";")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals)).trim();
    const value = part.slice(equals + 1).trim();
    if (key === "skip") skip = namesOf(value);
    else if (key === "experimental") experimental = namesOf(value);
    else if (key === "error" && parseBoolean(value) !== undefined) isError = parseBoolean(value) === true;
    else
      throw bad(`failed to parse check options: invalid check option ${JSON.stringify(part)}`, {
        hint: "write skip=RULE,RULE;error=true;experimental=RULE, or all for the rules",
      });
  }
  return { skip, experimental, isError };
}

function namesOf(value: string): RuleNames {
  return value === "all" ? "all" : new Set(value.split(",").map((name) => name.trim()));
}

const COMMENT = /^check\s*=\s*(\S+)/i;

/** The options with what a comment above an instruction adds: `# check=skip=RULE`. */
export function withComments(options: CheckOptions, comments: readonly string[]): CheckOptions {
  const text = comments.flatMap((comment) => COMMENT.exec(comment)?.[1] ?? [])[0];
  if (text === undefined) return options;
  // A comment may only look like one.
  const own = attempt(() => parseCheckOptions(text));
  if (own === undefined) return options;
  return {
    ...options,
    skip: union(options.skip, own.skip),
    experimental: union(options.experimental, own.experimental),
  };
}

function union(a: RuleNames, b: RuleNames): RuleNames {
  return a === "all" || b === "all" ? "all" : new Set([...a, ...b]);
}

/** Whether a name is among some. */
export function isNamed(name: string, names: RuleNames): boolean {
  return names === "all" || names.has(name);
}
