import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { DiffId } from "../oci/index.ts";
import { digestOf } from "../oci/index.ts";
import {
  disjoint,
  encodeMap,
  type Filling,
  frameReader,
  readFrame,
  tarFileReader,
  writeFrame,
} from "./overlay2-frame.ts";

describe("the frame of an unpacked layer", () => {
  let base = "";
  let count = 0;
  before(() => {
    base = mkdtempSync(join(tmpdir(), "ply-frame-"));
  });
  after(() => rmSync(base, { recursive: true, force: true }));

  /** A layer directory and its unpacked files, made from a tar and what of it is in files. */
  const takeApart = async (tar: Buffer, fillings: readonly Filling[]) => {
    const dir = join(base, `${count++}`);
    const unpacked = join(dir, "unpacked");
    mkdirSync(join(unpacked, "diff"), { recursive: true });
    writeFileSync(join(dir, "tar"), tar);
    for (const { path, offset, length, at } of fillings) {
      const file = join(unpacked, "diff", path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, Buffer.concat([Buffer.alloc(at), tar.subarray(offset, offset + length)]));
    }
    writeFileSync(join(unpacked, "map"), encodeMap(disjoint(fillings)));
    const reader = tarFileReader(join(dir, "tar"));
    await writeFrame(join(dir, "layer.frame"), reader, tar.length, disjoint(fillings));
    reader.close();
    return { layer: { diffId: digestOf(tar) as DiffId, dir, tarSize: tar.length }, unpacked };
  };

  test("gives back every byte from any place, whatever is in files", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.record({ start: fc.nat(3000), length: fc.nat(700), at: fc.nat(40) }), { maxLength: 12 }),
        fc.array(fc.nat(3000), { maxLength: 6 }),
        async (bytes, runs, places) => {
          const tar = Buffer.from(bytes);
          const fillings = runs
            .filter(({ start }) => start < tar.length)
            .map(({ start, length, at }, n) => ({
              path: `d${n % 3}/f${n}`,
              offset: start,
              length: Math.min(length, tar.length - start),
              at,
            }));
          const { layer, unpacked } = await takeApart(tar, fillings);
          const reader = await frameReader(layer, [unpacked]);
          try {
            for (const place of [0, ...places]) {
              const want = tar.subarray(Math.min(place, tar.length));
              const found = Buffer.alloc(want.length);
              reader.read(found, tar.length - want.length);
              assert.ok(found.equals(want));
            }
          } finally {
            reader.close();
          }
        },
      ),
      { numRuns: 60 },
    ));

  test("holds only what is not in files", async () => {
    const tar = Buffer.concat([Buffer.alloc(512, "h"), Buffer.alloc(100_000, "c"), Buffer.alloc(1024)]);
    const { layer } = await takeApart(tar, [{ path: "file", offset: 512, length: 100_000, at: 0 }]);
    assert.ok(readFileSync(join(layer.dir, "layer.frame")).length < 2000);
    assert.deepEqual((await readFrame(join(layer.dir, "layer.frame"))).holes, [
      { offset: 512, length: 100_000 },
    ]);
  });

  test("a second name for the same data counts once", () => {
    const filling = { offset: 512, length: 10, at: 0 };
    const kept = disjoint([
      { ...filling, path: "b", offset: 1024 },
      { ...filling, path: "a" },
      { ...filling, path: "a2" },
      { ...filling, path: "overlaps", offset: 520 },
    ]);
    assert.deepEqual(
      kept.map(({ path }) => path),
      ["a", "b"],
    );
  });

  test("a lost file or a cut frame is corrupt", async () => {
    const tar = Buffer.alloc(2048, "t");
    const { layer, unpacked } = await takeApart(tar, [{ path: "file", offset: 512, length: 600, at: 0 }]);
    await assert.rejects(frameReader(layer, []), (error) => isPlyError(error, "corrupt"));
    writeFileSync(join(unpacked, "diff/file"), "short");
    const reader = await frameReader(layer, [unpacked]);
    assert.throws(
      () => reader.read(Buffer.alloc(2048), 0),
      (error) => isPlyError(error, "corrupt"),
    );
    reader.close();
    const frame = join(layer.dir, "layer.frame");
    writeFileSync(frame, readFileSync(frame).subarray(0, 900));
    await assert.rejects(readFrame(frame), (error) => isPlyError(error, "corrupt"));
    writeFileSync(frame, "plyframe");
    await assert.rejects(readFrame(frame), (error) => isPlyError(error, "corrupt"));
  });
});
