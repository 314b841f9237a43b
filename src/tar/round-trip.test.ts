import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { TarEntry } from "./entry.ts";
import { createTarScanner } from "./scan.ts";
import { TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "./write.ts";

interface Member {
  readonly fields: TarHeaderFields;
  /** The stored data: what lies in the archive. */
  readonly data: Uint8Array;
}

const byteString = (minLength: number, maxLength: number) =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength, maxLength })
    .map((bytes) => Buffer.from(bytes).toString("latin1"));

const path = fc.oneof(
  fc.array(byteString(1, 30), { minLength: 1, maxLength: 12 }).map((parts) => parts.join("/")),
  byteString(1, 300),
  fc.constantFrom("a", "a/", "/abs/olute", "../up", `${"d/".repeat(2000)}f`),
);

const common = {
  path,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.nat(2000), fc.integer({ min: 0, max: 0xffffffff })),
  gid: fc.oneof(fc.nat(2000), fc.integer({ min: 0, max: 0xffffffff })),
  uname: byteString(0, 40),
  gname: byteString(0, 40),
  mtimeSeconds: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  mtimeNanos: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
  xattrs: fc
    .array(fc.tuple(byteString(1, 20), fc.uint8Array({ maxLength: 40 })), { maxLength: 3 })
    .map((pairs) => new Map(pairs.map(([name, value]) => [`user.${name}`, value]))),
};

const none = new Uint8Array(0);

const file: fc.Arbitrary<Member> = fc
  .record({ ...common, data: fc.uint8Array({ maxLength: 1500 }) })
  // A file's name does not end in a slash: that is how old archives write directories.
  .map(({ data, ...rest }) => ({
    fields: { ...rest, path: rest.path.replace(/\/+$/, "x"), type: "file" as const, size: data.length },
    data,
  }));

const sparse: fc.Arbitrary<Member> = fc
  .record({
    ...common,
    runs: fc.array(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 2 })), { maxLength: 40 }),
    last: fc.nat(511),
    tail: fc.nat(2 ** 40),
  })
  .map(({ runs, last, tail, ...rest }) => {
    let at = 0;
    const extents = runs.map(([gap, blocks], i) => {
      const offset = at + gap;
      const length = blocks * 512 - (i === runs.length - 1 ? last : 0);
      at = offset + length;
      return { offset, length };
    });
    const stored = extents.reduce((sum, extent) => sum + extent.length, 0);
    const fields = {
      ...rest,
      path: rest.path.replace(/\/+$/, "x"),
      type: "file" as const,
      size: at + tail,
      extents,
    };
    return { fields, data: new Uint8Array(stored).fill(7) };
  });

const link: fc.Arbitrary<Member> = fc
  .record({ ...common, type: fc.constantFrom("symlink", "hardlink"), linkTarget: byteString(1, 200) })
  .map((fields) => ({ fields, data: none }));

const plain: fc.Arbitrary<Member> = fc
  .record({ ...common, type: fc.constantFrom("directory", "fifo") })
  .map((fields) => ({ fields, data: none }));

const device: fc.Arbitrary<Member> = fc
  .record({
    ...common,
    type: fc.constantFrom("char", "block"),
    devMajor: fc.nat(0xfff),
    devMinor: fc.nat(0xfffff),
  })
  .map((fields) => ({ fields, data: none }));

const members = fc.array(fc.oneof(file, sparse, link, plain, device), { maxLength: 6 });

function archiveOf(list: readonly Member[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { fields, data } of list) parts.push(tarHeader(fields), data, tarPadding(data.length));
  return Buffer.concat([...parts, TAR_END]);
}

function scan(archive: Uint8Array, cuts: readonly number[]) {
  const entries: TarEntry[] = [];
  const contents: Buffer[] = [];
  const scanner = createTarScanner({
    onEntry: (entry) => {
      entries.push(entry);
      contents.push(Buffer.alloc(0));
    },
    onData: (chunk) => {
      contents.push(Buffer.concat([contents.pop() ?? Buffer.alloc(0), chunk]));
    },
  });
  let at = 0;
  for (let i = 0; at < archive.length; i++) {
    const step = cuts.length === 0 ? archive.length : (cuts[i % cuts.length] ?? 1);
    // A copy, so that whoever kept a view of the chunk is found out.
    const chunk = Uint8Array.from(archive.subarray(at, at + step));
    scanner.push(chunk);
    chunk.fill(0xaa);
    at += step;
  }
  scanner.end();
  return { entries, contents };
}

const cuts = fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 5 });

describe("tar round trip", () => {
  test("what was written is what is read, however the archive is cut", () => {
    fc.assert(
      fc.property(members, cuts, (list, pieces) => {
        const archive = archiveOf(list);
        const { entries, contents } = scan(archive, pieces);
        assert.equal(entries.length, list.length);
        for (const [i, { fields, data }] of list.entries()) {
          const entry = entries[i];
          assert(entry !== undefined);
          const { dataOffset, storedSize, ...rest } = entry;
          assert.deepEqual(
            { ...rest, xattrs: [...rest.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)) },
            {
              uname: "",
              gname: "",
              size: 0,
              linkTarget: "",
              devMajor: 0,
              devMinor: 0,
              ...fields,
              xattrs: [...(fields.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
            },
          );
          assert.equal(storedSize, data.length);
          assert.equal(dataOffset % 512, 0);
          assert.deepEqual(archive.subarray(dataOffset, dataOffset + storedSize), Buffer.from(data));
          assert.deepEqual(contents[i], Buffer.from(data));
        }
      }),
      { numRuns: 150 },
    );
  });

  test("the same fields give the same bytes, in whatever order the xattrs come", () => {
    const xattrs = [
      ["user.b", Uint8Array.of(1)],
      ["user.a", Uint8Array.of(2)],
    ] as const;
    const fields = { path: "f", type: "file", mode: 0o644 } as const;
    assert.deepEqual(
      tarHeader({ ...fields, xattrs: new Map(xattrs) }),
      tarHeader({ ...fields, xattrs: new Map([...xattrs].reverse()) }),
    );
  });

  test("an archive cut anywhere is read as far as it goes or refused, never misread", () => {
    fc.assert(
      fc.property(members, fc.double({ min: 0, max: 1, noNaN: true }), (list, where) => {
        const archive = archiveOf(list);
        const whole = scan(archive, []);
        const cut = archive.subarray(0, Math.floor(archive.length * where));
        let got: ReturnType<typeof scan>;
        try {
          got = scan(cut, [512]);
        } catch (error) {
          assert(isPlyError(error, "corrupt"));
          assert.match(error.message, /byte \d+/);
          return;
        }
        assert.deepEqual(got.entries, whole.entries.slice(0, got.entries.length));
        assert.deepEqual(got.contents, whole.contents.slice(0, got.contents.length));
      }),
      { numRuns: 150 },
    );
  });

  test("spoilt archives give an error of ours or entries, never another exception", () => {
    fc.assert(
      fc.property(members, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), (list, spoils) => {
        const archive = archiveOf(list);
        for (const [at, byte] of spoils) archive[at % archive.length] = byte;
        try {
          scan(archive, [1024]);
        } catch (error) {
          assert(isPlyError(error) && error.kind !== "internal", String(error));
        }
      }),
      { numRuns: 200 },
    );
  });
});
