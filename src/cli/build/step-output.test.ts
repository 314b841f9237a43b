import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createStepOutput, shownLine } from "./step-output.ts";

describe("a line as it looks on a screen", () => {
  const cases: readonly (readonly [printed: string, shown: string])[] = [
    ["plain", "plain"],
    ["windows\r", "windows"],
    ["  0%\r 50%\r100%", "100%"],
    ["long before\rshort", "shortbefore"],
    ["long before\r\x1b[Kshort", "short"],
    ["half \r", "half"],
    ["\x1b[1;32mgreen\x1b[0m and \x1b[38;5;208morange\x1b[m", "green and orange"],
    ["\x1b]0;a title\x07text \x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "text link"],
    ["ab\x08c", "ac"],
    ["cut \x1b[3", "cut"],
    ["\x1b(Bx\x1b=y", "xy"],
  ];
  for (const [printed, shown] of cases)
    test(JSON.stringify(printed), () => assert.equal(shownLine(printed), shown));
});

describe("what a step prints", () => {
  test("comes back whole, in the order it came", () => {
    const output = createStepOutput();
    for (const text of ["one\n", "tw", "o\n"]) output.push(text);
    assert.equal(output.whole(), "one\ntwo\n");
    assert.deepEqual(output.tail(5), ["one", "two"]);
    assert.deepEqual(output.tail(1), ["two"]);
  });

  test("the last lines pass over blank ones and show a line that is not ended", () => {
    const output = createStepOutput();
    output.push("a\n\n  \nb\n10%\r20%");
    assert.deepEqual(output.tail(2), ["b", "20%"]);
  });

  test("only the end of very much is kept, and of a very long line", () => {
    const output = createStepOutput();
    for (let n = 0; n < 100_000; n++) output.push(`line ${n} of many\n`);
    assert.equal(output.whole().length, 256 * 1024);
    assert.deepEqual(output.tail(2), ["line 99998 of many", "line 99999 of many"]);
    output.push("x".repeat(1_000_000));
    assert.equal(output.tail(1)[0]?.length, 8 * 1024);
  });
});
