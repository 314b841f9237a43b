import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatAgo, formatSpan, requireDuration } from "./duration.ts";

const H = 3_600_000;

describe("durations", () => {
  test("ago", () => assert.equal(formatAgo(1_000_000, 1_000_000 + 2 * H), "2 hours ago"));

  for (const [seconds, text] of [
    [0, "0s"],
    [8.4, "8s"],
    [59.6, "1m00s"],
    [125, "2m05s"],
    [3725, "1h02m"],
  ] as const)
    test(`${seconds} s left are ${text}`, () => assert.equal(formatSpan(seconds), text));

  test("a flag's may count days; what is none is refused", () => {
    assert.deepEqual(["7d", "90s"].map(requireDuration), [7 * 24 * H, 90_000]);
    assert.throws(() => requireDuration("1y"), /invalid duration "1y"/);
  });
});
