import { didYouMean } from "../../suggest.ts";
import type { StepFacts } from "../facts.ts";
import { cleanPath } from "../ignore.ts";
import type { Instruction } from "../instruction.ts";
import { about, type Finding, type LintRule, type LintSubject, stepsOf } from "./rule.ts";

/** What stands in stages. */
export const STEP_RULES: readonly LintRule[] = [
  {
    name: "JSONArgsRecommended",
    description:
      "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    check: eachStep(({ instruction, hasShell }) =>
      (instruction.op === "cmd" || instruction.op === "entrypoint") &&
      instruction.command.form === "shell" &&
      // With a SHELL of its own the author has thought of it.
      !hasShell
        ? [
            `JSON arguments recommended for ${instruction.keyword.toUpperCase()} to prevent unintended behavior related to OS signals`,
          ]
        : [],
    ),
  },
  {
    name: "MaintainerDeprecated",
    description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    check: ({ file }) =>
      file.stages
        .flatMap(({ instructions }) => instructions.filter(({ op }) => op === "maintainer"))
        .map((each) => about(each, "Maintainer instruction is deprecated in favor of using label")),
  },
  {
    name: "WorkdirRelativePath",
    description:
      "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    check: eachStep(({ instruction, isWorkdirSet, expand }) => {
      if (instruction.op !== "workdir" || isWorkdirSet) return [];
      const path = expand(instruction.value);
      if (path.startsWith("/")) return [];
      return [
        `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
      ];
    }),
  },
  {
    name: "UndefinedVar",
    description: "Variables should be defined before their use",
    check: eachStep(({ undefinedNames, knownNames, isEnvironmentKnown }) =>
      undefinedNames.flatMap((name) => {
        const meant = didYouMean(name, knownNames, "$");
        // The image may have it: then only what looks misspelt is told.
        if (meant === "" && !isEnvironmentKnown) return [];
        return [`Usage of undefined variable '$${name}'${meant}`];
      }),
    ),
  },
  {
    name: "MultipleInstructionsDisallowed",
    description: "Multiple instructions of the same type should not be used in the same stage",
    check: repeated,
  },
  {
    name: "LegacyKeyValueFormat",
    description: "Legacy key/value format with whitespace separator should not be used",
    check: eachStep(({ instruction }) => {
      if ((instruction.op !== "env" && instruction.op !== "label") || !instruction.isOldForm) return [];
      const name = instruction.keyword.toUpperCase();
      return [`"${name} key=value" should be used instead of legacy "${name} key value" format`];
    }),
  },
  {
    name: "SecretsUsedInArgOrEnv",
    description: "Sensitive data should not be used in the ARG or ENV commands",
    check: eachStep(({ instruction }) =>
      keysOf(instruction)
        .filter(soundsSecret)
        .map(
          (key) =>
            `Do not use ARG or ENV instructions for sensitive data (${instruction.op.toUpperCase()} ${JSON.stringify(key)})`,
        ),
    ),
  },
  {
    name: "CopyIgnoredFile",
    description: "Attempting to Copy file that is excluded by .dockerignore",
    check: (subject) => eachStep((step) => ignoredSources(step, subject))(subject),
  },
  {
    name: "ExposeProtoCasing",
    description: "Protocol in EXPOSE instruction should be lowercase",
    check: eachStep((step) =>
      portsOf(step)
        .filter((port) => /\/.*[A-Z]/.test(port))
        .map((port) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`),
    ),
  },
  {
    name: "ExposeInvalidFormat",
    description:
      "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    check: eachStep((step) =>
      portsOf(step)
        .filter((port) => port.includes(":"))
        .map(
          (port) =>
            `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
        ),
    ),
  },
  {
    name: "InvalidDefinitionDescription",
    description:
      "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    isExperimental: true,
    check: badDescriptions,
  },
];

/** A rule that looks at one step at a time. */
function eachStep(messagesOf: (step: StepFacts) => readonly string[]): LintRule["check"] {
  return function* (subject) {
    for (const step of stepsOf(subject))
      for (const message of messagesOf(step)) yield about(step.instruction, message);
  };
}

/** All but the last of those of which one counts. */
function repeated({ stages }: LintSubject): Finding[] {
  return stages.flatMap(({ isLookedAt, stage: { instructions } }) =>
    (["cmd", "entrypoint", "healthcheck"] as const).flatMap((op) => {
      const same = isLookedAt ? instructions.filter((each) => each.op === op) : [];
      return same
        .slice(0, -1)
        .map((each) =>
          about(
            each,
            `Multiple ${op.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
          ),
        );
    }),
  );
}

function keysOf(instruction: Instruction): string[] {
  if (instruction.op === "arg") return instruction.args.map(({ name }) => name);
  return instruction.op === "env" ? instruction.pairs.map(([key]) => key) : [];
}

const SECRET_WORDS = new Set([
  "apikey",
  "auth",
  "credential",
  "credentials",
  "key",
  "password",
  "pword",
  "passwd",
  "secret",
  "token",
]);
const HARMLESS_WORDS = new Set(["public", "file", "version"]);

function soundsSecret(name: string): boolean {
  const words = name.toLowerCase().split("_");
  return words.some((word) => SECRET_WORDS.has(word)) && !words.some((word) => HARMLESS_WORDS.has(word));
}

/** Rules that leave out all that is in the context's root. */
const EVERYTHING = new Set(["*", "**", "**/*"]);

function ignoredSources({ instruction, expand }: StepFacts, { ignore }: LintSubject): string[] {
  // With exceptions among the rules something below may well be there.
  if (ignore === undefined || ignore.hasExceptions) return [];
  if (instruction.op !== "add" && (instruction.op !== "copy" || instruction.from !== undefined)) return [];
  const verb = instruction.op === "add" ? "Add" : "Copy";
  return instruction.sources.flatMap((source) => {
    if (source.kind !== "path") return [];
    const path = cleanPath(expand(source.path));
    if (/^(?:https?|git|ssh):\/\/|^git@/.test(source.path)) return [];
    const isOut =
      path === "" ? ignore.rules.some(({ text }) => EVERYTHING.has(text)) : ignore.isIgnored(path);
    const shown = JSON.stringify(path === "" ? "." : path);
    return isOut ? [`Attempting to ${verb} file ${shown} that is excluded by .dockerignore`] : [];
  });
}

function portsOf({ instruction, expandList }: StepFacts): string[] {
  return instruction.op === "expose" ? instruction.values.flatMap(expandList) : [];
}

function badDescriptions({ file }: LintSubject): Finding[] {
  const definitions = [
    ...file.globalArgs,
    ...file.stages.flatMap(({ from, instructions }) => [
      ...(from.name === undefined ? [] : [from]),
      ...instructions.filter((each) => each.op === "arg"),
    ]),
  ];
  return definitions.flatMap((each) => {
    const names = each.op === "arg" ? each.args.map(({ name }) => name) : [each.name ?? ""];
    const comment = each.comments.at(-1);
    if (comment === undefined || names.includes(comment.split(" ")[0] ?? "")) return [];
    const example = names.length > 1 ? "<arg_key>" : names[0];
    return [
      about(
        each,
        `Comment for ${each.op.toUpperCase()} should follow the format: \`# ${example} <description>\``,
      ),
    ];
  });
}
