import { about, type Finding, type LintRule, type LintSubject } from "./rule.ts";

const RESERVED = new Set(["context", "scratch"]);

/** How instructions and stages are spelt. */
export const NAME_RULES: readonly LintRule[] = [
  {
    name: "StageNameCasing",
    description: "Stage names should be lowercase",
    check: ({ file }) =>
      file.stages.flatMap(({ from }) =>
        from.nameAsWritten === from.name
          ? []
          : [about(from, `Stage name '${from.nameAsWritten}' should be lowercase`)],
      ),
  },
  {
    name: "FromAsCasing",
    description: "The 'as' keyword should match the case of the 'from' keyword",
    check: ({ file }) =>
      file.stages.flatMap(({ from }) => {
        const { keyword, asKeyword: as } = from;
        // A FROM that is neither has a rule of its own.
        if (as === undefined || caseOf(keyword) === undefined || caseOf(keyword) === caseOf(as)) return [];
        return [about(from, `'${as}' and '${keyword}' keywords' casing do not match`)];
      }),
  },
  {
    name: "NoEmptyContinuation",
    description: "Empty continuation lines will become errors in a future release",
    check: ({ file }) => file.emptyContinuations.map((at) => ({ at, message: "Empty continuation line" })),
  },
  {
    name: "ConsistentInstructionCasing",
    description: "All commands within the Dockerfile should use the same casing (either upper or lower)",
    check: inconsistentCasing,
  },
  {
    name: "DuplicateStageName",
    description: "Stage names should be unique",
    check: ({ file }) =>
      file.stages.flatMap(({ index, from }) =>
        from.name !== undefined && file.stages.slice(0, index).some((each) => each.from.name === from.name)
          ? [about(from, `Duplicate stage name ${JSON.stringify(from.name)}, stage names should be unique`)]
          : [],
      ),
  },
  {
    name: "ReservedStageName",
    description: "Reserved words should not be used as stage names",
    check: ({ file }) =>
      file.stages.flatMap(({ from }) =>
        from.name !== undefined && RESERVED.has(from.name)
          ? [
              about(
                from,
                `Stage name should not use the same name as reserved stage ${JSON.stringify(from.name)}`,
              ),
            ]
          : [],
      ),
  },
];

function caseOf(word: string): "lowercase" | "uppercase" | undefined {
  if (word === word.toLowerCase()) return "lowercase";
  return word === word.toUpperCase() ? "uppercase" : undefined;
}

/** What most instructions are written in is right, upper case where they are as many. */
function inconsistentCasing({ file }: LintSubject): Finding[] {
  const written = file.stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const count = (wanted: string) => written.filter(({ keyword }) => caseOf(keyword) === wanted).length;
  const right = count("lowercase") > count("uppercase") ? "lowercase" : "uppercase";
  return written.flatMap((each) =>
    caseOf(each.keyword) === right
      ? []
      : [about(each, `Command '${each.keyword}' should match the case of the command majority (${right})`)],
  );
}
