import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatAgo, formatDuration, formatSpan, parseDuration, requireDuration } from "./duration.ts";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

describe("durations", () => {
  // The borders are those of Docker's units library.
  for (const [ms, text] of [
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

  test("ago", () => assert.equal(formatAgo(1_000_000, 1_000_000 + 2 * H), "2 hours ago"));

  for (const [seconds, text] of [
    [0, "0s"],
    [8.4, "8s"],
    [59.6, "1m00s"],
    [125, "2m05s"],
    [3725, "1h02m"],
  ] as const)
    test(`${seconds} s left are ${text}`, () => assert.equal(formatSpan(seconds), text));

  for (const [text, ms] of [
    ["90s", 90 * S],
    ["1h30m", 90 * M],
    ["7d", 7 * D],
    ["2w", 14 * D],
    ["1.5h", 90 * M],
    ["250ms", 250],
    ["0s", 0],
  ] as const)
    test(`${text} is read as ${ms} ms`, () => assert.equal(parseDuration(text), ms));

  for (const text of ["", "7", "d", "7 d", "-1h", "1y"])
    test(`${JSON.stringify(text)} is no duration`, () => {
      assert.equal(parseDuration(text), undefined);
      assert.throws(() => requireDuration(text), /invalid duration/);
    });
});
