import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { TarEntry } from "../tar/index.ts";
import { createEntryCollector } from "./from-tar.ts";

const tarEntry = (over: Partial<TarEntry>): TarEntry => ({
  path: "f",
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  uname: "",
  gname: "",
  mtimeSeconds: 0,
  mtimeNanos: 0,
  size: 0,
  storedSize: over.size ?? 0,
  dataOffset: 512,
  linkTarget: "",
  devMajor: 0,
  devMinor: 0,
  xattrs: new Map(),
  ...over,
});

function collect(...entries: Partial<TarEntry>[]) {
  const collector = createEntryCollector();
  for (const entry of entries) collector.add(tarEntry(entry));
  return collector.finish();
}

const pathOf = (path: string) => collect({ path, type: "directory" })[0]?.path;
const refused = (kind: "invalid" | "limit", pattern: RegExp, ...entries: Partial<TarEntry>[]) =>
  assert.throws(
    () => collect(...entries),
    (error) => isPlyError(error, kind) && pattern.test(error.message),
  );

describe("paths of a layer", () => {
  const cases: [string, string][] = [
    ["a/b", "a/b"],
    ["/a/b/", "a/b"],
    ["./a//b/./c", "a/b/c"],
    ["a/../b", "b"],
    ["a/b/..", "a"],
    [".", ""],
    ["./", ""],
    ["/", ""],
    ["", ""],
    ["a/..", ""],
    ["...", "..."],
    [".hidden/..x", ".hidden/..x"],
    ["caf\xe9", "caf\xe9"],
    ["././/x", "x"],
  ];
  for (const [given, want] of cases)
    test(`${JSON.stringify(given)} becomes ${JSON.stringify(want)}`, () => assert.equal(pathOf(given), want));

  for (const path of ["..", "../etc/passwd", "/../etc/passwd", "a/../../b", "./../x", "a/b/../../../c"])
    test(`${path} is refused: it climbs above the root`, () =>
      refused("invalid", /climbs above the root/, { path }));

  test("a NUL byte is refused", () => refused("invalid", /NUL/, { path: "a\0b" }));
  test("a name of 255 bytes passes, 256 do not", () => {
    assert.equal(pathOf(`d/${"x".repeat(255)}`)?.length, 257);
    refused("limit", /256 bytes/, { path: `d/${"x".repeat(256)}` });
  });
  test("a path of 4,096 bytes passes, more do not", () => {
    const path = Array.from({ length: 16 }, () => "y".repeat(255)).join("/");
    assert.equal(pathOf(path)?.length, 4095);
    refused("limit", /over 4096/, { path: `${path}/zz` });
  });
  test("the root may be nothing but a directory", () => refused("invalid", /root/, { path: "./" }));
});

describe("markers", () => {
  test("whiteouts and opaque markers lose their marker names", () => {
    const made = collect({ path: "a/.wh.b" }, { path: "a/.wh..wh..opq" }, { path: ".wh..wh..opq" });
    assert.deepEqual(
      made.map((entry) => [entry.type, entry.path]),
      [
        ["whiteout", "a/b"],
        ["opaque", "a"],
        ["opaque", ""],
      ],
    );
  });
  test("other aufs names are dropped with what is below them", () => {
    assert.deepEqual(
      collect({ path: ".wh..wh.aufs" }, { path: ".wh..wh.plnk/1.2" }, { path: "a/.wh..wh.orph/x/.wh.y" }),
      [],
    );
  });
  test("hard links to aufs's link files become files", () => {
    const made = collect(
      { path: ".wh..wh.plnk/1.2", size: 5, mode: 0o755 },
      { path: "bin/x", type: "hardlink", linkTarget: "/.wh..wh.plnk/1.2" },
    );
    assert.deepEqual(
      made.map((entry) => [entry.path, entry.type, entry.size, entry.offset, entry.mode]),
      [["bin/x", "file", 5, 512, 0o755]],
    );
  });
  for (const path of [".wh.", "a/.wh.", ".wh..", "a/.wh...", "a/.wh.b/c"])
    test(`${path} is refused`, () => refused("invalid", /whiteout/, { path }));
  test("a char device 0:0 is a whiteout, as overlayfs has it", () => {
    assert.equal(collect({ path: "dev/x", type: "char" })[0]?.type, "whiteout");
    assert.equal(collect({ path: "dev/x", type: "block" })[0]?.type, "block");
    assert.equal(collect({ path: "dev/x", type: "char", devMinor: 3, devMajor: 1 })[0]?.type, "char");
  });
});

describe("links and attributes", () => {
  test("a hard link's target is cleaned, a symlink's stays", () => {
    const made = collect(
      { path: "x", type: "hardlink", linkTarget: "./usr/../bin/sh" },
      { path: "y", type: "symlink", linkTarget: "../../etc" },
    );
    assert.deepEqual(
      made.map((entry) => entry.linkTarget),
      ["bin/sh", "../../etc"],
    );
  });
  test("bad link targets are refused", () => {
    refused("invalid", /hard link "x" to.*climbs/, {
      path: "x",
      type: "hardlink",
      linkTarget: "../etc/shadow",
    });
    refused("invalid", /not a file/, { path: "x", type: "hardlink", linkTarget: "/" });
    refused("invalid", /not a file/, { path: "x", type: "hardlink", linkTarget: "a/.wh.b" });
    refused("invalid", /without a target/, { path: "x", type: "symlink" });
    refused("limit", /4096 bytes/, { path: "x", type: "symlink", linkTarget: "t".repeat(4096) });
    assert.equal(collect({ type: "symlink", linkTarget: "t".repeat(4095) }).length, 1);
  });
  test("overlay's own xattrs are left out, others kept", () => {
    const value = Uint8Array.of(1);
    const made = collect({
      xattrs: new Map([
        ["trusted.overlay.opaque", value],
        ["user.overlay.redirect", value],
        ["security.capability", value],
      ]),
    });
    assert.deepEqual([...(made[0]?.xattrs ?? [])], [["security.capability", value]]);
  });
  test("too large xattrs, ids and device numbers are refused", () => {
    refused("limit", /too large/, { xattrs: new Map([["user.x", new Uint8Array(65_536)]]) });
    refused("limit", /too large/, {
      xattrs: new Map([1, 2, 3, 4, 5].map((n) => [`user.${n}`, new Uint8Array(60_000)])),
    });
    refused("invalid", /uid/, { uid: 2 ** 32 });
    refused("invalid", /gid/, { gid: -1 });
    refused("invalid", /device major/, { type: "block", devMajor: 4096 });
    refused("invalid", /time/, { mtimeSeconds: Number.POSITIVE_INFINITY });
    refused("invalid", /grid/, { size: 4, dataOffset: 513 });
  });
  test("a sparse map is checked", () => {
    const made = collect({ size: 1000, storedSize: 10, extents: [{ offset: 990, length: 10 }] });
    assert.deepEqual(made[0]?.extents, [{ offset: 990, length: 10 }]);
    refused("invalid", /order/, {
      size: 1000,
      storedSize: 20,
      extents: [
        { offset: 500, length: 10 },
        { offset: 505, length: 10 },
      ],
    });
    refused("invalid", /sparse/, { size: 1000, storedSize: 20, extents: [{ offset: 990, length: 20 }] });
    refused("invalid", /covers 10/, { size: 1000, storedSize: 20, extents: [{ offset: 0, length: 10 }] });
  });
});
