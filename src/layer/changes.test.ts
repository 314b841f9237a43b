import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { changesBetween } from "./changes.ts";
import type { LayerEntry } from "./entry.ts";
import { emptyEntry } from "./from-tar.ts";
import { layersOf } from "./provenance.ts";
import { unionOf } from "./union.ts";

const file = (path: string, over: Partial<LayerEntry> = {}): LayerEntry => ({
  ...emptyEntry(path, "file"),
  mode: 0o644,
  size: 3,
  offset: 512,
  ...over,
});
const directory = (path: string, over: Partial<LayerEntry> = {}): LayerEntry => ({
  ...emptyEntry(path, "directory"),
  mode: 0o755,
  ...over,
});
const treeOf = (...entries: LayerEntry[]) => unionOf([{ entries: [directory(""), ...entries] }]);
const show = (changes: ReturnType<typeof changesBetween>) =>
  changes.map(({ path, kind, aspects }) => [kind, path, ...aspects].join(" "));

describe("changes between two trees", () => {
  test("name what differs", () => {
    const before = treeOf(
      file("mode"),
      file("owner"),
      file("time"),
      file("size"),
      file("xattr", { xattrs: new Map([["user.a", Uint8Array.of(1)]]) }),
      file("type"),
      file("same"),
      { ...emptyEntry("link", "symlink"), linkTarget: "a" },
      { ...emptyEntry("dev", "char"), rdevMajor: 1 },
    );
    const after = treeOf(
      file("mode", { mode: 0o755 }),
      file("owner", { gid: 1 }),
      file("time", { mtimeNanos: 1 }),
      file("size", { size: 4 }),
      file("xattr", { xattrs: new Map([["user.a", Uint8Array.of(2)]]) }),
      directory("type"),
      file("same"),
      { ...emptyEntry("link", "symlink"), linkTarget: "b" },
      { ...emptyEntry("dev", "char"), rdevMajor: 2 },
    );
    assert.deepEqual(show(changesBetween(before, after)), [
      "modified dev device",
      "modified link link",
      "modified mode mode",
      "modified owner owner",
      "modified size content",
      "modified time content mtime",
      "modified type type",
      "modified xattr xattr",
    ]);
  });
  test("list all that is below what came or went, a directory first", () => {
    const [before, after] = [
      treeOf(directory("d"), file("d/x"), file("e")),
      treeOf(directory("n"), file("n/y"), file("d")),
    ];
    assert.deepEqual(show(changesBetween(before, after)), [
      "modified d type",
      "deleted d/x",
      "deleted e",
      "added n",
      "added n/y",
    ]);
    assert.deepEqual(changesBetween(after, after), []);
  });
  test("ask the caller about the content of files of one size", () => {
    const [before, after] = [treeOf(file("f"), file("g")), treeOf(file("f", { mtimeSeconds: 5 }), file("g"))];
    assert.deepEqual(show(changesBetween(before, after, { sameContent: () => true })), ["modified f mtime"]);
    assert.deepEqual(show(changesBetween(before, after, { sameContent: () => false })), [
      "modified f content mtime",
      "modified g content",
    ]);
  });
});

describe("the layers of a path", () => {
  const layers = [
    { entries: [directory(""), directory("d"), file("d/f"), file("other")] },
    { entries: [file("d/g")] },
    { entries: [file("d/f", { mode: 0o600 }), directory("d", { mode: 0o700 })] },
    { entries: [emptyEntry("d", "whiteout")] },
    { entries: [directory("d"), file("d/f"), { ...emptyEntry("hard", "hardlink"), linkTarget: "other" }] },
  ];
  const events = (path: string) => layersOf(layers, path).map(({ layer, kind }) => `${layer} ${kind}`);
  test("say who added, changed and deleted it, by whiteouts of parents too", () => {
    assert.deepEqual(events("d/f"), ["0 added", "2 modified", "3 deleted", "4 added"]);
    assert.deepEqual(events("d/g"), ["1 added", "3 deleted"]);
    assert.deepEqual(events("d"), ["0 added", "2 modified", "3 deleted", "4 added"]);
    assert.deepEqual(events(""), ["0 added"]);
    assert.deepEqual(events("nothing"), []);
    assert.deepEqual(events("hard"), ["4 added"]);
  });
  test("keep what the path was at each layer", () => {
    assert.deepEqual(
      layersOf(layers, "d/f").map(({ node }) => node?.mode),
      [0o644, 0o600, undefined, 0o644],
    );
  });
});
