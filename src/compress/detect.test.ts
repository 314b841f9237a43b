import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { detectCompression } from "./detect.ts";

describe("detectCompression", () => {
  test("knows gzip, zstd and zstd behind a skippable frame", () => {
    assert.equal(detectCompression(Uint8Array.of(0x1f, 0x8b, 8)), "gzip");
    assert.equal(detectCompression(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0)), "zstd");
    assert.equal(detectCompression(Uint8Array.of(0x5d, 0x2a, 0x4d, 0x18)), "zstd");
  });

  test("takes everything else for a plain tar, file names that look like magic too", () => {
    assert.equal(detectCompression(Buffer.from("BZh91AY.txt\0\0\0")), "none");
    assert.equal(detectCompression(new Uint8Array(10)), "none");
    assert.equal(detectCompression(new Uint8Array(0)), "none");
  });

  test("refuses bzip2 and xz with their names and a hint", () => {
    for (const [name, bytes] of [
      ["bzip2", Buffer.from("BZh91AY&SY")],
      ["xz", Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)],
    ] as const)
      assert.throws(
        () => detectCompression(bytes),
        (error) =>
          isPlyError(error, "unsupported") &&
          error.message.includes(name) &&
          (error.hint ?? "").includes("unpack"),
      );
  });
});
