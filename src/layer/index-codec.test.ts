import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { LayerEntry } from "./entry.ts";
import { emptyEntry } from "./from-tar.ts";
import { decodeIndex, encodeIndex } from "./index-codec.ts";

const byteString = (min: number, max: number) =>
  fc
    .uint8Array({ minLength: min, maxLength: max })
    .map((bytes) => Buffer.from(bytes).toString("latin1").replaceAll(/[/\0]/g, "_"));
const name = byteString(1, 12).map((text) => (/^\.{1,2}$/.test(text) ? "dots" : text));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const xattrs = fc
  .array(fc.tuple(byteString(1, 20), fc.uint8Array({ maxLength: 30 })), { maxLength: 3 })
  .map((pairs) => new Map(pairs.map(([key, value]) => [key, Uint8Array.from(value)])));
const attributes = fc.record({
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff })),
  gid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff })),
  mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  mtimeNanos: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  xattrs,
});
const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  attributes.map((over): LayerEntry => ({ ...emptyEntry("", "directory"), ...over })),
  fc
    .tuple(attributes, fc.nat({ max: 2 ** 40 }), fc.nat({ max: 2 ** 31 }))
    .map(([over, size, block]): LayerEntry => {
      return { ...emptyEntry("", "file"), ...over, size, offset: size === 0 ? 0 : block * 512 };
    }),
  fc.tuple(attributes, fc.nat({ max: 2 ** 31 })).map(([over, block]): LayerEntry => {
    const extents = [
      { offset: 0, length: 512 },
      { offset: 4096, length: 7 },
    ];
    return { ...emptyEntry("", "file"), ...over, size: 9000, offset: block * 512, extents };
  }),
  fc.tuple(attributes, byteString(1, 300)).map(([over, linkTarget]): LayerEntry => {
    return { ...emptyEntry("", "symlink"), ...over, linkTarget };
  }),
  fc.tuple(attributes, fc.nat({ max: 0xfff }), fc.nat({ max: 0xfffff })).map(
    ([over, rdevMajor, rdevMinor]): LayerEntry => ({
      ...emptyEntry("", "block"),
      ...over,
      rdevMajor,
      rdevMinor,
    }),
  ),
  path.map((at) => emptyEntry(at, "whiteout")),
  path.map((at) => emptyEntry(at, "opaque")),
  fc.tuple(path, path).map(([at, linkTarget]): LayerEntry => ({ ...emptyEntry(at, "hardlink"), linkTarget })),
);

describe("the index file", () => {
  test("gives back what was encoded, and always the same bytes", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), (entries) => {
        const bytes = encodeIndex(entries);
        const decoded = decodeIndex(bytes).entries;
        assert.deepEqual(decoded, entries);
        assert.deepEqual(encodeIndex(decoded), bytes);
      }),
      { numRuns: 200 },
    );
  });

  test("every cut and every changed byte is noticed", () => {
    const bytes = encodeIndex([
      { ...emptyEntry("usr/bin/x", "file"), size: 70_000, offset: 1024, mode: 0o755 },
      { ...emptyEntry("usr/bin/y", "symlink"), linkTarget: "x" },
    ]);
    for (let cut = 0; cut < bytes.length; cut++)
      assert.throws(() => decodeIndex(bytes.subarray(0, cut)), isPlyError);
    for (let at = 0; at < bytes.length; at++) {
      const bent = bytes.slice();
      bent[at] = (bent[at] ?? 0) ^ 0x41;
      assert.throws(() => decodeIndex(bent), isPlyError);
    }
  });

  test("hostile bytes under a right checksum give a clean error or a valid index, never anything else", () => {
    const good = encodeIndex([
      {
        ...emptyEntry("a/b", "file"),
        size: 70_000,
        offset: 1024,
        xattrs: new Map([["user.x", Uint8Array.of(1)]]),
      },
      { ...emptyEntry("a/c", "symlink"), linkTarget: "x", mtimeNanos: 5 },
      { ...emptyEntry("a/d", "hardlink"), linkTarget: "a/b" },
    ]);
    const change = fc.tuple(fc.nat({ max: good.length - 14 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bent = good.slice();
        for (const [at, value] of changes) bent[9 + at] = value;
        new DataView(bent.buffer).setUint32(bent.length - 4, crc32(bent.subarray(0, -4)), true);
        try {
          for (const { path: at } of decodeIndex(bent).entries) assert.ok(!at.split("/").includes(".."));
        } catch (error) {
          assert.ok(isPlyError(error, "corrupt"), String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("an index of another version is refused with a hint", () => {
    const bytes = encodeIndex([]);
    bytes[8] = 9;
    assert.throws(
      () => decodeIndex(bytes),
      (error) => isPlyError(error, "unsupported") && error.hint !== undefined,
    );
  });
});
