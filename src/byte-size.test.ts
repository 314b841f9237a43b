import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatBinarySize, formatSize, parseDiskSize, parseLogSize, parseMemorySize } from "./byte-size.ts";

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
    assert.equal(formatSize(93_341_234, 4), "93.34MB");
  });

  test("binary units", () => {
    for (const [bytes, text] of [
      [0, "0B"],
      [1023, "1023B"],
      [1024, "1KiB"],
      [1_638_912, "1.563MiB"],
      [2 ** 20 - 1, "1MiB"],
      [8 * 2 ** 30, "8GiB"],
    ] as const)
      assert.equal(formatBinarySize(bytes), text);
  });

  test("sizes on disk are decimal, but for those that say so", () => {
    for (const [text, bytes] of [
      ["1024", 1024],
      ["20GB", 20e9],
      ["20g", 20e9],
      ["1.5 GiB", 1_610_612_736],
      ["500m", 500e6],
      ["2PB", 2e15],
      ["0", 0],
    ] as const)
      assert.equal(parseDiskSize(text), bytes, text);
  });

  test("sizes of memory are binary, whatever they are called", () => {
    const sizes = {
      "64m": 2 ** 26,
      "1.5g": 1.5 * 2 ** 30,
      "1GiB": 2 ** 30,
      "512": 512,
      "2kb": 2048,
      "7B": 7,
      ".5g": 2 ** 29,
      "1.g": 2 ** 30,
    };
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseMemorySize(text), bytes, text);
  });

  test("sizes of logs are decimal, whatever they are called", () => {
    const sizes = { "10m": 10e6, "10MB": 10e6, "10MiB": 10e6, "1.5k": 1500, "512": 512 };
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseLogSize(text), bytes, text);
  });

  for (const text of ["", "GB", "m", "1XB", "-1", "1e3", ".GB", "1 0", "1Ki", "1  GB", "9".repeat(400)])
    test(`${JSON.stringify(text)} is no size`, () => {
      assert.equal(parseDiskSize(text), undefined);
      assert.equal(parseMemorySize(text), undefined);
      assert.equal(parseLogSize(text), undefined);
    });

  test("what is shown reads back within the shown precision", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9e14 }), (bytes) => {
        const back = parseDiskSize(formatSize(bytes)) ?? Number.NaN;
        assert.ok(Math.abs(back - bytes) <= bytes * 0.0051);
      }),
    );
  });
});
