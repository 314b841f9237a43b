import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBuilderGc, resolveBuilderGc } from "./engine-build-cache.ts";

test("bounds of the build cache: of the disk, in bytes of either kind, and none", () => {
  assert.deepEqual(resolveBuilderGc({}, 50e9), {
    keepMs: 60 * 24 * 3600 * 1000,
    limits: { reservedSpace: 5e9, maxUsedSpace: 30e9, minFreeSpace: 10e9 },
  });
  assert.deepEqual(resolveBuilderGc({}, 1e12)?.limits, {
    reservedSpace: 10e9,
    maxUsedSpace: 100e9,
    minFreeSpace: 200e9,
  });
  const given = parseBuilderGc({
    keepDuration: "1d12h",
    reservedSpace: "1GiB",
    maxUsedSpace: "50%",
    minFreeSpace: 0,
  });
  assert.deepEqual(resolveBuilderGc(given, 1000), {
    keepMs: 36 * 3600 * 1000,
    limits: { reservedSpace: 2 ** 30, maxUsedSpace: 500, minFreeSpace: 0 },
  });
  assert.equal(resolveBuilderGc({ enabled: false }, 1e12), undefined);
});

test("mistakes are named", () => {
  assert.throws(() => parseBuilderGc([]), /want an object/);
  assert.throws(() => parseBuilderGc({ keepStorage: 1 }), /builder\.gc\.keepStorage: there is no such field/);
  assert.throws(() => parseBuilderGc({ enabled: "no" }), /want true or false/);
  assert.throws(() => parseBuilderGc({ maxUsedSpace: "lots" }), /maxUsedSpace: "lots" is no size/);
  assert.throws(() => parseBuilderGc({ keepDuration: "ever" }), /keepDuration: "ever" is no duration/);
  assert.throws(() => parseBuilderGc({ minFreeSpace: true }), /want a size/);
});
