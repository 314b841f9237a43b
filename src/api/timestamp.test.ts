import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatTime, parseTimestamp } from "./timestamp.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const NANO = 1_000_000_000n;

describe("timestamps", () => {
  test("Unix seconds keep their nanoseconds", () => {
    assert.equal(parseTimestamp("1700000000", NOW), 1_700_000_000n * NANO);
    assert.equal(parseTimestamp("1700000000.000000001", NOW), 1_700_000_000n * NANO + 1n);
    assert.equal(parseTimestamp("1700000000.5", NOW), 1_700_000_000n * NANO + 500_000_000n);
  });

  test("RFC 3339 and its beginnings", () => {
    const day = BigInt(Date.parse("2026-01-02T00:00:00Z")) * 1_000_000n;
    assert.equal(parseTimestamp("2026-01-02", NOW), day);
    assert.equal(parseTimestamp("2026-01-02T03", NOW), day + 3n * 3600n * NANO);
    assert.equal(parseTimestamp("2026-01-02T03:04", NOW), day + (3n * 3600n + 240n) * NANO);
    assert.equal(
      parseTimestamp("2026-01-02T03:04:05.25+01:00", NOW),
      day + (2n * 3600n + 245n) * NANO + NANO / 4n,
    );
  });

  test("a duration counts back from now", () => {
    const now = BigInt(NOW) * 1_000_000n;
    assert.equal(parseTimestamp("1h30m", NOW), now - 5400n * NANO);
    assert.equal(parseTimestamp("1.5h", NOW), now - 5400n * NANO);
    assert.equal(parseTimestamp("0s", NOW), now);
  });

  test("anything else is refused", () => {
    for (const text of ["", "yesterday", "2026-13-40", "1h30", "12x"])
      assert.throws(() => parseTimestamp(text, NOW), /invalid timestamp/, text);
  });

  test("never is year 1", () => {
    assert.equal(formatTime(null), "0001-01-01T00:00:00Z");
    assert.equal(formatTime(NOW), "2026-11-21T12:00:00.000000000Z");
  });
});
