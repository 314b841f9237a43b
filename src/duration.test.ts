import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatDuration, parseDuration, parseLongDuration } from "./duration.ts";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

describe("durations", () => {
  // The borders are those of Docker's units library.
  for (const [ms, text] of [
    [-5 * S, "Less than a second"],
    [0, "Less than a second"],
    [999, "Less than a second"],
    [S, "1 second"],
    [45 * S, "45 seconds"],
    [59.9 * S, "59 seconds"],
    [M, "About a minute"],
    [119 * S, "About a minute"],
    [3 * M, "3 minutes"],
    [59 * M, "59 minutes"],
    [H, "About an hour"],
    [H + 29 * M, "About an hour"],
    [H + 30 * M, "2 hours"],
    [47 * H, "47 hours"],
    [48 * H, "2 days"],
    [13 * D, "13 days"],
    [14 * D, "2 weeks"],
    [59 * D, "8 weeks"],
    [60 * D, "2 months"],
    [729 * D, "24 months"],
    [730 * D, "2 years"],
    [3 * 365 * D, "3 years"],
  ] as const)
    test(`${ms} ms are ${text}`, () => assert.equal(formatDuration(ms), text));

  for (const [text, ms] of [
    ["90s", 90 * S],
    ["1h30m", 90 * M],
    ["1.5h", 90 * M],
    ["1.s", S],
    [".5s", 500],
    ["250ms", 250],
    ["1m1ms", M + 1],
    ["1500us", 1.5],
    ["1500µs", 1.5],
    ["2000ns", 0.002],
    ["0s", 0],
    ["0", 0],
  ] as const)
    test(`${text} is read as ${ms} ms`, () => {
      assert.equal(parseDuration(text), ms);
      assert.equal(parseLongDuration(text), ms);
    });

  test("days and weeks are read only where they are asked for", () => {
    assert.deepEqual(["7d", "2w", "1d12h"].map(parseLongDuration), [7 * D, 14 * D, 36 * H]);
    assert.deepEqual(["7d", "2w", "1d12h"].map(parseDuration), [undefined, undefined, undefined]);
  });

  for (const text of ["", "7", "d", "7 d", "-1h", "1y", "1h ", "1hm", ".s", `${"9".repeat(16)}h`])
    test(`${JSON.stringify(text)} is no duration`, () => {
      assert.equal(parseDuration(text), undefined);
      assert.equal(parseLongDuration(text), undefined);
    });
});
