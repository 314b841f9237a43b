// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseIgnoreFile } from "../ignore.ts";
import { parseDockerfile } from "../parse.ts";
import { LINT_RULES, type LintOptions, lintDockerfile } from "./lint.ts";

const PLATFORM: ReadonlyMap<string, string> = new Map([
  ["TARGETPLATFORM", "linux/amd64"],
  ["TARGETARCH", "amd64"],
  ["BUILDPLATFORM", "linux/amd64"],
]);
const knownBase = (...env: string[]): LintOptions => ({
  baseOf: () => ({ env, hasShell: false, triggers: [] }),
});
const args = (values: Readonly<Record<string, string>>): LintOptions => ({
  buildArgs: new Map(Object.entries(values)),
});
const ignoring = (text: string): LintOptions => ({ ignore: parseIgnoreFile(text) });
const EXPERIMENTAL = "# check=experimental=all\n";

const lint = (text: string, options: LintOptions = {}) =>
  lintDockerfile(parseDockerfile(text), { platformArgs: PLATFORM, ...options });

/** `LINE MESSAGE` of what one rule finds; empty: it keeps quiet. */
type Case = readonly [text: string, found: readonly string[], options?: LintOptions];

const CASES: Readonly<Record<string, readonly Case[]>> = {
  StageNameCasing: [
    ["FROM scratch AS Base", ["1 Stage name 'Base' should be lowercase"]],
    ["FROM scratch AS base", []],
    ["FROM scratch", []],
  ],
  FromAsCasing: [
    ["FROM scratch as b", ["1 'as' and 'FROM' keywords' casing do not match"]],
    ["from scratch AS b", ["1 'AS' and 'from' keywords' casing do not match"]],
    ["FROM scratch As b", ["1 'As' and 'FROM' keywords' casing do not match"]],
    ["FROM scratch AS b\nfrom scratch as c\nFrom scratch as d", []],
  ],
  NoEmptyContinuation: [
    ["FROM scratch\nRUN a \\\n\n  b\nRUN c", ["4 Empty continuation line"]],
    ["FROM scratch\nRUN a \\\n # a comment\n  b", []],
  ],
  ConsistentInstructionCasing: [
    [
      "FROM scratch\nCopy a b\nRUN x\nrun y",
      [
        "2 Command 'Copy' should match the case of the command majority (uppercase)",
        "4 Command 'run' should match the case of the command majority (uppercase)",
      ],
    ],
    [
      "FROM scratch\nrun x\nrun y",
      ["1 Command 'FROM' should match the case of the command majority (lowercase)"],
    ],
    ["from scratch\nrun x", []],
  ],
  DuplicateStageName: [
    ["FROM scratch AS a\nFROM scratch AS A", ['2 Duplicate stage name "a", stage names should be unique']],
    ["FROM scratch AS a\nFROM scratch AS b\nFROM scratch", []],
  ],
  ReservedStageName: [
    ["FROM scratch AS context", ['1 Stage name should not use the same name as reserved stage "context"']],
    ["FROM scratch AS contexts", []],
  ],
  UndefinedArgInFrom: [
    [
      "ARG VERSION=1\nFROM debian:${VERSIO}",
      ["2 FROM argument 'VERSIO' is not declared (did you mean VERSION?)"],
    ],
    ["FROM --platform=$PLAT scratch", ["1 FROM argument 'PLAT' is not declared"]],
    ["ARG V\nFROM debian:${V:-12}", []],
    ["ARG V\nFROM --platform=$BUILDPLATFORM debian:$V", []],
  ],
  InvalidDefaultArgInFrom: [
    [
      "ARG TAG\nFROM debian:${TAG}",
      ["2 Default value for ARG debian:${TAG} results in empty or invalid base image name"],
    ],
    [
      "ARG TAG\nFROM debian:$TAG",
      ["2 Default value for ARG debian:$TAG results in empty or invalid base image name"],
      args({ TAG: "12" }),
    ],
    ["ARG TAG=12\nFROM debian:${TAG}", []],
    ["FROM debian", []],
  ],
  RedundantTargetPlatform: [
    [
      "FROM --platform=$TARGETPLATFORM scratch",
      [
        "1 Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
      ],
    ],
    ["FROM --platform=${BUILDPLATFORM} scratch", []],
    ["FROM --platform=linux/$TARGETARCH scratch", []],
  ],
  FromPlatformFlagConstDisallowed: [
    [
      "FROM --platform=linux/amd64 scratch AS build",
      ['1 FROM --platform flag should not use constant value "linux/amd64"'],
    ],
    ["FROM --platform=linux/amd64 scratch AS build_amd64", []],
    ["FROM --platform=$BUILDPLATFORM scratch", []],
    ["FROM --platform=nonsense/x/y/z scratch", []],
  ],
  InvalidBaseImagePlatform: [
    [
      "FROM debian",
      [
        '1 Base image debian was pulled with platform "linux/arm64", expected "linux/amd64" for current build',
      ],
      {
        baseOf: () => ({
          env: [],
          hasShell: false,
          triggers: [],
          platform: { os: "linux", architecture: "arm64" },
        }),
      },
    ],
    [
      "FROM --platform=linux/arm64 debian",
      [],
      {
        baseOf: () => ({
          env: [],
          hasShell: false,
          triggers: [],
          platform: { os: "linux", architecture: "arm64" },
        }),
      },
    ],
  ],
  JSONArgsRecommended: [
    [
      "FROM scratch\nCMD a\nENTRYPOINT b",
      [
        "2 JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        "3 JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
      ],
    ],
    ['FROM scratch\nCMD ["a"]', []],
    ['FROM scratch AS a\nSHELL ["/bin/bash", "-c"]\nFROM a\nCMD b', []],
    ["FROM x\nCMD b", [], { baseOf: () => ({ env: [], hasShell: true, triggers: [] }) }],
  ],
  MaintainerDeprecated: [
    ["FROM scratch\nMAINTAINER me", ["2 Maintainer instruction is deprecated in favor of using label"]],
    ["FROM scratch\nLABEL org.opencontainers.image.authors=me", []],
  ],
  WorkdirRelativePath: [
    [
      "FROM scratch\nWORKDIR a\nWORKDIR b",
      ['2 Relative workdir "a" can have unexpected results if the base image changes'],
    ],
    ["FROM scratch\nWORKDIR /a\nWORKDIR b", []],
    ["FROM scratch AS x\nWORKDIR /a\nFROM x\nWORKDIR b", []],
    ["FROM scratch\nENV D=/d\nWORKDIR $D", []],
  ],
  UndefinedVar: [
    ["FROM scratch\nARG DIR\nCOPY $DIRR .", ["3 Usage of undefined variable '$DIRR' (did you mean $DIR?)"]],
    ["FROM scratch\nENV A=$NOTHING", ["2 Usage of undefined variable '$NOTHING'"]],
    [
      "FROM scratch\nLABEL a=${NOTHING:-x} b=${OTHER+x} c='$LITERAL' d=\\$ESCAPED",
      ["2 Usage of undefined variable '$NOTHING'", "2 Usage of undefined variable '$OTHER'"],
    ],
    ["FROM scratch AS a\nONBUILD ARG V=1\nONBUILD ENV E=$NOPE\nFROM a\nLABEL x=$V$E", []],
    ["FROM x\nLABEL x=$V", [], { baseOf: () => ({ env: [], hasShell: false, triggers: ["ARG V"] }) }],
    ["FROM scratch\nRUN echo $SHELL_OF_ITS_OWN\nCMD echo $X", []],
    [
      "FROM scratch\nRUN --mount=type=cache,target=/c/$WHICH true",
      ["2 Usage of undefined variable '$WHICH'"],
    ],
    ["FROM scratch\nCOPY <<E <<'F' /\n$EXPANDED\nE\n$KEPT\nF", ["2 Usage of undefined variable '$EXPANDED'"]],
    ["FROM scratch\nARG A=1 B=$A C=$NOPE", ["2 Usage of undefined variable '$NOPE'"]],
    ["FROM scratch\nARG C=$NOPE", [], args({ C: "given" })],
    ["FROM scratch\nENV PATH=/x:$PATH A=1 B=$A", ["2 Usage of undefined variable '$A'"]],
    ["FROM scratch AS a\nARG V=1\nENV E=1\nFROM a\nLABEL x=$V$E", []],
    ["ARG GLOBAL=1\nFROM scratch\nLABEL x=$GLOBAL", ["3 Usage of undefined variable '$GLOBAL'"]],
    ["FROM java\nENV X=$JAVA_HOME", [], knownBase("JAVA_HOME=/j")],
    [
      "FROM java\nENV X=$JAVA_HOM",
      ["2 Usage of undefined variable '$JAVA_HOM' (did you mean $JAVA_HOME?)"],
      knownBase("JAVA_HOME=/j"),
    ],
    // Nobody knows what the image has: only a misspelt name is told.
    [
      "FROM java\nARG DIR\nENV X=$JAVA_HOME Y=$DIRR",
      ["3 Usage of undefined variable '$DIRR' (did you mean $DIR?)"],
    ],
  ],
  MultipleInstructionsDisallowed: [
    [
      'FROM scratch\nCMD ["a"]\nCMD ["b"]\nFROM scratch\nCMD ["c"]',
      [
        "2 Multiple CMD instructions should not be used in the same stage because only the last one will be used",
      ],
    ],
    ['FROM scratch\nCMD ["a"]\nENTRYPOINT ["b"]\nHEALTHCHECK NONE', []],
  ],
  LegacyKeyValueFormat: [
    [
      "FROM scratch\nENV a b\nLABEL c d",
      [
        '2 "ENV key=value" should be used instead of legacy "ENV key value" format',
        '3 "LABEL key=value" should be used instead of legacy "LABEL key value" format',
      ],
    ],
    ["FROM scratch\nENV a=b", []],
  ],
  SecretsUsedInArgOrEnv: [
    [
      "FROM scratch\nARG GITHUB_TOKEN\nENV DB_PASSWORD=x API_KEY=y",
      [
        '2 Do not use ARG or ENV instructions for sensitive data (ARG "GITHUB_TOKEN")',
        '3 Do not use ARG or ENV instructions for sensitive data (ENV "DB_PASSWORD")',
        '3 Do not use ARG or ENV instructions for sensitive data (ENV "API_KEY")',
      ],
    ],
    ["FROM scratch\nARG PUBLIC_KEY\nENV PASSWORD_FILE=/x MONKEY=1 TOKENS=2", []],
  ],
  CopyIgnoredFile: [
    [
      "FROM scratch\nCOPY a b/c ./\nADD ./a /x",
      [
        '2 Attempting to Copy file "a" that is excluded by .dockerignore',
        '2 Attempting to Copy file "b/c" that is excluded by .dockerignore',
        '3 Attempting to Add file "a" that is excluded by .dockerignore',
      ],
      ignoring("a\nb"),
    ],
    [
      "FROM scratch\nCOPY . .",
      ['2 Attempting to Copy file "." that is excluded by .dockerignore'],
      ignoring("*"),
    ],
    ["FROM scratch\nCOPY . .\nCOPY --from=0 a a\nADD https://x/a a", [], ignoring("a")],
    ["FROM scratch\nCOPY a/b .", [], ignoring("a\n!a/b")],
    ["FROM scratch\nCOPY a .", []],
  ],
  ExposeProtoCasing: [
    [
      "FROM scratch\nEXPOSE 80/TCP",
      ["2 Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
    ],
    ["FROM scratch\nEXPOSE 80/tcp 81", []],
  ],
  ExposeInvalidFormat: [
    [
      "FROM scratch\nEXPOSE 127.0.0.1:80:80 8080:80",
      [
        "2 EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
        "2 EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80'",
      ],
    ],
    ["FROM scratch\nARG P=80\nEXPOSE $P 90-95", []],
  ],
  InvalidDefinitionDescription: [
    [
      `${EXPERIMENTAL}# what it is\nARG A=1\n# b is it\nFROM scratch AS b\n# x\nARG C D`,
      [
        "3 Comment for ARG should follow the format: `# A <description>`",
        "7 Comment for ARG should follow the format: `# <arg_key> <description>`",
      ],
    ],
    [`${EXPERIMENTAL}# elsewhere\n\nARG A=1\nFROM scratch\n# A is it\nARG A\n# RUN it\nRUN x`, []],
    ["# not asked for\nFROM scratch AS a", []],
  ],
};

describe("lint rules", () => {
  for (const [rule, cases] of Object.entries(CASES))
    for (const [text, found, options] of cases)
      test(`${rule}: ${JSON.stringify(text)}`, async () => {
        const { warnings } = await lint(text, options);
        const own = warnings.filter((each) => each.rule === rule);
        assert.deepEqual(
          own.map(({ at, message }) => `${at.start} ${message}`),
          found,
        );
      });

  test("each has its cases, a name of its own and a description", () => {
    assert.deepEqual(Object.keys(CASES).sort(), LINT_RULES.map(({ name }) => name).sort());
    for (const { description } of LINT_RULES) assert.match(description, /^\S/);
  });
});

describe("what a check looks at", () => {
  const text = "FROM scratch AS a\nCMD x\nFROM scratch AS b\nMAINTAINER me\nENV c d";
  const rules = async (given: string, options?: LintOptions) =>
    (await lint(given, options)).warnings.map(({ rule }) => rule);

  test("all stages, or those that are built; how a file is written counts everywhere", async () => {
    assert.deepEqual(await rules(text), [
      "JSONArgsRecommended",
      "MaintainerDeprecated",
      "LegacyKeyValueFormat",
    ]);
    assert.deepEqual(await rules(text, { stages: new Set([0]) }), [
      "JSONArgsRecommended",
      "MaintainerDeprecated",
    ]);
  });

  test("the directive, or the build argument in its place", async () => {
    const skipped = `# check=skip=JSONArgsRecommended, MaintainerDeprecated ; error=true\n${text}`;
    const { warnings, violation } = await lint(skipped);
    assert.deepEqual(
      warnings.map(({ rule, at }) => [rule, at.start]),
      [["LegacyKeyValueFormat", 6]],
    );
    assert.equal(violation, "lint violation found for rules: LegacyKeyValueFormat");
    assert.equal((await lint(text)).violation, undefined);
    assert.equal((await lint("# check=error=true\nFROM scratch")).violation, undefined);
    assert.deepEqual(await rules(`# check=skip=all\n${text}`), []);
    assert.deepEqual(await rules(skipped, args({ BUILDKIT_DOCKERFILE_CHECK: "skip=all" })), []);
    for (const wrong of ["skip", "nothing=x", "error=perhaps"])
      await assert.rejects(
        () => lint(`# check=${wrong}\n${text}`),
        /failed to parse check options: invalid check option/,
      );
  });

  test("a comment right above an instruction switches rules off for it", async () => {
    assert.deepEqual(
      await rules("FROM scratch\n# check=skip=JSONArgsRecommended for old shells\nCMD a\nENTRYPOINT b"),
      ["JSONArgsRecommended"],
    );
    assert.deepEqual(await rules("FROM scratch\n# check=skip=all\nCMD a\n# check=nonsense\nUSER b"), []);
  });

  test("findings come in the order of lines, with Docker's page", async () => {
    const { warnings } = await lint("FROM scratch\nCMD a\nMAINTAINER b");
    assert.deepEqual(
      warnings.map(({ url }) => url),
      ["json-args-recommended", "maintainer-deprecated"].map(
        (page) => `https://docs.docker.com/go/dockerfile/rule/${page}/`,
      ),
    );
  });

  test("what cannot be expanded is no matter of checks, but told, where all is known", async () => {
    const problem = async (given: string) => (await lint(given)).problem?.message;
    assert.equal(
      await problem("FROM scratch\nENV A=${N:?missing}"),
      "dockerfile parse error on line 2 of Dockerfile: N: missing",
    );
    assert.equal(await problem("FROM unknown\nENV A=${N:?missing}"), undefined);
    assert.deepEqual(await rules("ARG A=${B:?}\nFROM debian:$A\nLABEL x=${C:?no} y=${"), []);
  });
});
