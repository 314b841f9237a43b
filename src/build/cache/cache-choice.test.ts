import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CacheLimits, type CacheSelection, chooseEntries } from "./cache-choice.ts";
import type { CacheEntry } from "./cache-entries.ts";

const entry = (id: string, lastUsedAt: number, fields: Partial<CacheEntry> = {}): CacheEntry => ({
  id,
  type: "regular",
  description: `RUN ${id}`,
  parents: [],
  isInUse: false,
  isShared: false,
  size: 10,
  createdAt: 0,
  lastUsedAt,
  useCount: 0,
  ...fields,
});

const ENTRIES = [
  entry("new", 9),
  entry("old", 1, { parents: ["new"] }),
  entry("busy", 0, { isInUse: true }),
  entry("image", 2, { isShared: true }),
  entry("mount", 5, { type: "exec.cachemount" }),
];

const chosen = (
  given: { selection?: CacheSelection; all?: boolean; limits?: CacheLimits; freeSpace?: number } = {},
): string =>
  chooseEntries(ENTRIES, { selection: {}, all: false, limits: {}, freeSpace: 1000, ...given })
    .map(({ id }) => id)
    .join(" ");

describe("what of the build cache goes", () => {
  test("the least recently used first; nothing that a build has, what images have only with all", () => {
    assert.equal(chosen(), "old mount new");
    assert.equal(chosen({ all: true }), "old image mount new");
  });

  test("filters", () => {
    assert.equal(chosen({ selection: { unusedSince: 5 } }), "old mount");
    assert.equal(chosen({ selection: { id: /^ne/ } }), "new");
    assert.equal(chosen({ selection: { type: "exec.cachemount" } }), "mount");
    assert.equal(chosen({ selection: { parent: "new" } }), "old");
    assert.equal(chosen({ selection: { description: "RUN old" } }), "old");
    assert.equal(chosen({ selection: { isInUse: true } }), "");
    assert.equal(chosen({ selection: { isShared: true }, all: true }), "image");
  });

  test("limits are about bytes that come free: 40 are there", () => {
    assert.equal(chosen({ limits: { maxUsedSpace: 40 } }), "");
    assert.equal(chosen({ limits: { maxUsedSpace: 39 } }), "old");
    assert.equal(chosen({ limits: { maxUsedSpace: 20 }, all: true }), "old mount");
    assert.equal(chosen({ limits: { reservedSpace: 30 } }), "old");
    assert.equal(chosen({ limits: { maxUsedSpace: 10, reservedSpace: 30 } }), "old");
    assert.equal(chosen({ limits: { minFreeSpace: 1000 } }), "");
    assert.equal(chosen({ limits: { minFreeSpace: 1015 } }), "old mount");
    assert.equal(chosen({ limits: { minFreeSpace: 1015, reservedSpace: 35 } }), "old");
    assert.equal(chosen({ limits: { maxUsedSpace: 1 }, selection: { unusedSince: 1 } }), "old");
  });
});
