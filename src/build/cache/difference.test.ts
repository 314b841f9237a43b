import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compactTrace, differencesOf, type StepTrace } from "./difference.ts";

const copy = (inputs: StepTrace["inputs"], fields: Partial<StepTrace> = {}): StepTrace =>
  compactTrace({
    text: "COPY . /app",
    said: "COPY . /app # buildkit",
    inputs,
    variables: [],
    origins: [["app", "src"]],
    base: null,
    below: [],
    ...fields,
  });
const run = (fields: Partial<StepTrace> = {}): StepTrace =>
  compactTrace({
    text: "RUN make",
    said: "RUN make",
    inputs: [["command", "make"]],
    variables: [],
    origins: [],
    base: { name: "base:1", id: "sha256:1", chain: "c1" },
    below: [],
    ...fields,
  });
const [A, B] = ["a".repeat(64), "b".repeat(64)];

describe("what differs between a step and the same step before", () => {
  test("of files what of them, by the paths they come from", () => {
    const of = (before: string, after: string) =>
      differencesOf(copy([["/app/x", before]]), copy([["/app/x", after]])).map(
        ({ change, name }) => `${name} ${change}`,
      );
    assert.deepEqual(of(`file 644 0:0 ${A}`, `file 644 0:0 ${B}`), ["src/x content"]);
    assert.deepEqual(of(`file 644 0:0 ${A}`, `file 755 0:0 ${A}`), ["src/x mode"]);
    assert.deepEqual(of(`file 644 0:0 ${A}`, `file 644 1:0 ${A}`), ["src/x owner"]);
    assert.deepEqual(of(`file 644 0:0 ${A}`, "symlink 644 0:0 y"), ["src/x type"]);
    assert.deepEqual(of("symlink 777 0:0 y", "symlink 777 0:0 z"), ["src/x target"]);
    assert.deepEqual(of(`file 644 0:0 ${A}`, `file 644 0:0 ${A} [["user.a","00"]]`), ["src/x attributes"]);
  });

  test("a digest in a command is no digest of a file: it stays whole", () => {
    const [before, after] = [A, `${A.slice(0, 63)}b`].map((hex) =>
      run({ inputs: [["command", `x ${hex}`]] }),
    );
    assert.ok(before !== undefined && after !== undefined);
    assert.deepEqual(
      differencesOf(before, after).map(({ kind }) => kind),
      ["instruction"],
    );
  });

  test("an instruction with another variable is explained by that variable", () => {
    const at = (value: string): StepTrace =>
      copy([[`/app/${value}`, `file 644 0:0 ${A}`]], {
        text: "COPY $V /app",
        said: `COPY ${value} /app`,
        variables: [["ARG V", value]],
      });
    assert.deepEqual(differencesOf(at("1"), at("2")), [
      { kind: "argument", name: "V", before: "1", after: "2" },
    ]);
  });

  test("below a RUN: the base when its layers differ, else the first step that does", () => {
    const other = { name: "base:1", id: "sha256:2", chain: "c2" };
    assert.deepEqual(differencesOf(run(), run({ base: other })), [
      { kind: "base", name: "base:1", before: "sha256:1", after: "sha256:2" },
    ]);
    assert.deepEqual(differencesOf(run(), run({ base: { ...other, chain: "c1" } })), []);
    assert.deepEqual(
      differencesOf(
        run({
          below: [
            ["COPY a /a", "1"],
            ["COPY b /b", "2"],
          ],
        }),
        run({
          below: [
            ["COPY a /a", "1"],
            ["COPY b /b", "3"],
          ],
        }),
      ),
      [{ kind: "step", name: "COPY b /b", before: "2", after: "3" }],
    );
  });
});
