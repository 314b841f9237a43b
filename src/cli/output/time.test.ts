import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatRfc3339, formatTimestamp, parseTime, toEpochSeconds } from "./time.ts";

const NOW = Date.parse("2026-05-01T12:00:00Z");

describe("points in time", () => {
  test("are read as spans before now, seconds and dates", () => {
    assert.equal(parseTime("10m", NOW), NOW - 600_000);
    assert.equal(parseTime("0s", NOW), NOW);
    assert.equal(parseTime("1700000000", NOW), 1_700_000_000_000);
    assert.equal(parseTime("1700000000.25", NOW), 1_700_000_000_250);
    assert.equal(parseTime("2026-05-01T10:00:00Z", NOW), NOW - 7_200_000);
    assert.equal(parseTime("2026-05-01T12:00:00+02:00", NOW), NOW - 7_200_000);
    assert.equal(parseTime("2026-05-01", NOW), new Date(2026, 4, 1).getTime());
    assert.equal(parseTime("2026-05-01T12:30", NOW), new Date(2026, 4, 1, 12, 30).getTime());
  });

  for (const text of ["", "yesterday", "2026-13-01", "2026-05-01 12:00", "1e9"])
    test(`${JSON.stringify(text)} is none`, () => assert.throws(() => parseTime(text, NOW), /invalid time/));

  test("go to the engine as seconds", () => {
    assert.equal(toEpochSeconds(1_700_000_000_000), "1700000000");
    assert.equal(toEpochSeconds(1_700_000_000_250), "1700000000.25");
    assert.equal(toEpochSeconds(100_000), "100");
  });

  test("are shown as Docker shows them, in local time", () => {
    assert.match(formatTimestamp(NOW), /^2026-0[45]-\d\d \d\d:\d\d:00 [+-]\d{4} (UTC|[+-]\d{4})$/);
    assert.match(formatRfc3339(NOW), /^2026-0[45]-\d\dT\d\d:\d\d:00(Z|[+-]\d\d:\d\d)$/);
    assert.equal(Date.parse(formatRfc3339(NOW)), NOW);
    assert.match(formatRfc3339(NOW, 5), /:00\.000000005(Z|[+-]\d\d:\d\d)$/);
  });
});
