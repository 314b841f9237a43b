import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "./failure.ts";
import { type FlagSpecs, parseFlags } from "./flags.ts";

const SPECS = {
  interactive: { kind: "bool", short: "i", help: "" },
  tty: { kind: "bool", short: "t", help: "" },
  rm: { kind: "bool", help: "" },
  env: { kind: "list", short: "e", help: "" },
  name: { kind: "string", help: "" },
  last: { kind: "int", short: "n", default: -1, help: "" },
  pull: { kind: "string", choices: ["always", "never"], default: "never", help: "" },
} as const satisfies FlagSpecs;

const DEFAULTS = {
  interactive: false,
  tty: false,
  rm: false,
  env: [],
  name: undefined,
  last: -1,
  pull: "never",
};

const cases: readonly (readonly [line: string, values: object, args: readonly string[]])[] = [
  ["", {}, []],
  ["-it image", { interactive: true, tty: true }, ["image"]],
  ["-i -t image", { interactive: true, tty: true }, ["image"]],
  ["--interactive --tty=true", { interactive: true, tty: true }, []],
  ["--tty=false -i=0", {}, []],
  ["-e A=b -e C", { env: ["A=b", "C"] }, []],
  ["-eA=b", { env: ["A=b"] }, []],
  ["-e=A=b", { env: ["A=b"] }, []],
  ["--env=A=b --env C=d=e", { env: ["A=b", "C=d=e"] }, []],
  ["-ite A=b", { interactive: true, tty: true, env: ["A=b"] }, []],
  ["-iteA=b", { interactive: true, tty: true, env: ["A=b"] }, []],
  ["--name x --name y", { name: "y" }, []],
  ["--name --rm", { name: "--rm" }, []],
  ["--name=", { name: "" }, []],
  ["-n 3", { last: 3 }, []],
  ["-n=3", { last: 3 }, []],
  ["-n3", { last: 3 }, []],
  ["--last=-1", { last: -1 }, []],
  ["--pull always", { pull: "always" }, []],
  ["a --rm b", { rm: true }, ["a", "b"]],
  ["-- --rm -x", {}, ["--rm", "-x"]],
  ["a -- -b", {}, ["a", "-b"]],
  ["- a", {}, ["-", "a"]],
];

describe("flags", () => {
  for (const [line, values, args] of cases)
    test(`reads ${JSON.stringify(line)}`, () => {
      const parsed = parseFlags(SPECS, line === "" ? [] : line.split(" "));
      assert.deepEqual(parsed, { values: { ...DEFAULTS, ...values }, args, help: false });
    });

  test("stops at the first argument where the command says so", () => {
    const { values, args } = parseFlags(SPECS, ["--rm", "image", "ls", "--name", "-x"], {
      stopsAtArgument: true,
    });
    assert.equal(values["rm"], true);
    assert.equal(values["name"], undefined);
    assert.deepEqual(args, ["image", "ls", "--name", "-x"]);
  });

  for (const words of [["-h"], ["--help"], ["-ih"], ["image", "--help"]])
    test(`${words.join(" ")} asks for help`, () => assert.equal(parseFlags(SPECS, words).help, true));

  const wrong: readonly (readonly [string, string])[] = [
    ["--nope", "unknown flag: --nope"],
    ["--nope=1", "unknown flag: --nope"],
    ["--toString", "unknown flag: --toString"],
    ["-x", "unknown shorthand flag: 'x' in -x"],
    ["-itx", "unknown shorthand flag: 'x' in -itx"],
    ["--name", "flag needs an argument: --name"],
    ["-e", "flag needs an argument: 'e' in -e"],
    ["-ie", "flag needs an argument: 'e' in -ie"],
    ["--tty=maybe", 'invalid argument "maybe" for "-t, --tty" flag: neither true nor false'],
    ["-n x", 'invalid argument "x" for "-n, --last" flag: not a whole number'],
    ["--pull=often", 'invalid argument "often" for "--pull" flag: must be one of always, never'],
  ];
  for (const [line, message] of wrong)
    test(`refuses ${line}`, () => {
      assert.throws(
        () => parseFlags(SPECS, line.split(" ")),
        (error) => error instanceof UsageError && error.message === message && error.code === 125,
      );
    });
});
