import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatSize, parseSize } from "./size.ts";

describe("sizes", () => {
  for (const [bytes, text] of [
    [0, "0B"],
    [1, "1B"],
    [999, "999B"],
    [1000, "1kB"],
    [1024, "1.02kB"],
    [4_261_550, "4.26MB"],
    [72_800_000, "72.8MB"],
    [123_456_789, "123MB"],
    [999_900, "1MB"],
    [999_499, "999kB"],
    [1_500_000_000, "1.5GB"],
    [2e15, "2PB"],
    [-1500, "-1.5kB"],
  ] as const)
    test(`${bytes} bytes are ${text}`, () => assert.equal(formatSize(bytes), text));

  test("four digits where asked for", () => {
    assert.equal(formatSize(4_261_550, 4), "4.262MB");
    assert.equal(formatSize(999_960, 4), "1MB");
  });

  for (const [text, bytes] of [
    ["1024", 1024],
    ["20GB", 20e9],
    ["20g", 20e9],
    ["1.5 GiB", 1_610_612_736],
    ["500m", 500e6],
    ["0", 0],
  ] as const)
    test(`${text} is read as ${bytes} bytes`, () => assert.equal(parseSize(text), bytes));

  for (const text of ["", "GB", "1XB", "-1", "1e3", "1.GB"])
    test(`${JSON.stringify(text)} is no size`, () => assert.throws(() => parseSize(text), /invalid size/));

  test("what is shown reads back within the shown precision", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9e14 }), (bytes) => {
        const back = parseSize(formatSize(bytes));
        assert.ok(Math.abs(back - bytes) <= bytes * 0.0051);
      }),
    );
  });
});
