import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { LayerEntry } from "./entry.ts";
import { emptyEntry } from "./from-tar.ts";
import { lookup, resolveInTree } from "./lookup.ts";
import { joinPath, parentOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";
import { unionOf } from "./union.ts";

/**
 * A layer in mini notation: `d/` directory, `f` file, `l>target` symlink, `h=target` hard link, `-x` whiteout,
 * `!d` opaque. Files and directories get their position in the layer as mode, so that it shows which one is there.
 */
function layer(...lines: string[]): { entries: LayerEntry[] } {
  return { entries: lines.map((line, n) => entryOf(line, n + 1)) };
}

function entryOf(line: string, mode: number): LayerEntry {
  if (line.startsWith("-")) return emptyEntry(line.slice(1), "whiteout");
  if (line.startsWith("!")) return emptyEntry(line.slice(1), "opaque");
  if (line.endsWith("/")) return { ...emptyEntry(line.slice(0, -1), "directory"), mode };
  const [link, linkTarget] = line.split(">");
  if (linkTarget !== undefined) return { ...emptyEntry(link ?? "", "symlink"), linkTarget, mode };
  const [name, target] = line.split("=");
  if (target !== undefined) return { ...emptyEntry(name ?? "", "hardlink"), linkTarget: target };
  return { ...emptyEntry(line, "file"), mode, size: 1, offset: mode * 512 };
}

/** Every path with what it is: type letter, layer, mode; `~` marks implicit directories. */
function show(tree: TreeNode): string[] {
  const lines: string[] = [];
  const visit = (node: TreeNode, path: string): void => {
    const kind = node.implicit ? "~" : node.type.slice(0, 1);
    if (path !== "") lines.push(`${path} ${kind}${node.layer}.${node.implicit ? 0 : node.mode}`);
    for (const [name, child] of node.children ?? []) visit(child, joinPath(path, name));
  };
  visit(tree, "");
  return lines;
}

const union = (...layers: { entries: LayerEntry[] }[]) => show(unionOf(layers));

describe("the union", () => {
  test("of nothing is an implicit root", () => {
    const root = unionOf([]);
    assert.deepEqual(
      [root.type, root.implicit, root.mode, root.children?.size],
      ["directory", true, 0o755, 0],
    );
  });
  test("a root entry gives the root's attributes, an upper layer's wins", () => {
    const root = (mode: number) => ({ entries: [{ ...emptyEntry("", "directory"), mode }] });
    assert.equal(unionOf([root(0o700), layer("f")]).mode, 0o700);
    const upper = unionOf([root(0o700), root(0o711)]);
    assert.deepEqual([upper.mode, upper.implicit, upper.layer], [0o711, false, 1]);
  });
  test("whiteouts hide below, never siblings, before or after them", () => {
    assert.deepEqual(union(layer("a/", "a/f", "b"), layer("-a", "-b", "b")), ["b f1.3"]);
    assert.deepEqual(union(layer("a/", "a/f"), layer("a/n", "-a")), ["a ~1.0", "a/n f1.1"]);
    assert.deepEqual(union(layer("a/", "a/f"), layer("-a", "a/n")), ["a ~1.0", "a/n f1.2"]);
    assert.deepEqual(union(layer("a/", "a/f"), layer("a/", "-a", "a/n")), ["a d1.1", "a/n f1.3"]);
    assert.deepEqual(union(layer("f", "-f")), ["f f0.1"]);
  });
  test("opaque directories keep their attributes and what the layer brings", () => {
    assert.deepEqual(union(layer("d/", "d/x", "d/s/", "d/s/y"), layer("d/s/n", "!d")), [
      "d d0.1",
      "d/s ~1.0",
      "d/s/n f1.1",
    ]);
    assert.deepEqual(union(layer("x", "d/y"), layer("!", "n")), ["n f1.2"]);
    assert.deepEqual(union(layer("f"), layer("!f", "!none/x")), ["f f0.1"]);
  });
  test("parents that no layer names override nothing, and real ones override them later", () => {
    assert.deepEqual(union(layer("v/", "v/l/"), layer("v/l/f")), ["v d0.1", "v/l d0.2", "v/l/f f1.1"]);
    assert.deepEqual(union(layer("v/f"), layer("v/")), ["v d1.1", "v/f f0.1"]);
  });
  test("file over directory, directory over file, entry below a file", () => {
    assert.deepEqual(union(layer("a/", "a/x/", "a/x/y"), layer("a")), ["a f1.1"]);
    assert.deepEqual(union(layer("a"), layer("a/", "a/x")), ["a d1.1", "a/x f1.2"]);
    assert.deepEqual(union(layer("a"), layer("a/x")), ["a ~1.0", "a/x f1.1"]);
    assert.deepEqual(union(layer("a", "a/", "a/b", "a")), ["a f0.4"]);
  });
  test("hard links are one node, across layers, and outlive the target's name", () => {
    const tree = unionOf([layer("d/", "a", "d/b=a"), layer("c=d/b", "a", "-d/b")]);
    assert.deepEqual(show(tree), ["a f1.2", "c f0.2", "d d0.1"]);
    const same = unionOf([layer("a", "b=a", "l>x", "m=l"), layer("a=a")]);
    assert.equal(lookup(same, "a"), lookup(same, "b"));
    assert.equal(lookup(same, "l"), lookup(same, "m"));
  });
  test("hard links to nothing, to a directory or to a hidden name are refused", () => {
    const refused = (pattern: RegExp, ...layers: { entries: LayerEntry[] }[]) =>
      assert.throws(
        () => unionOf(layers),
        (error) => isPlyError(error, "invalid") && pattern.test(error.message),
      );
    refused(/"h" in layer 0.*"none" does not exist/, layer("h=none"));
    refused(/"d" is a directory/, layer("d/", "h=d"));
    refused(/does not exist/, layer("a"), layer("-a", "h=a"));
    refused(/does not exist/, layer("h=later", "later"));
  });
  test("symlinked parents are followed inside the root", () => {
    const base = layer(
      "usr/",
      "usr/lib/",
      "usr/lib/x",
      "lib>usr/lib",
      "up>../../../usr",
      "abs>/usr/lib",
      "to>nowhere/d",
    );
    assert.deepEqual(
      union(base, layer("lib/y", "abs/z", "up/w", "to/v", "-lib/x", "h=abs/z")).filter(
        (line) => !/ s0/.test(line),
      ),
      [
        "h f1.2",
        "nowhere ~1.0",
        "nowhere/d ~1.0",
        "nowhere/d/v f1.4",
        "usr d0.1",
        "usr/lib d0.2",
        "usr/lib/y f1.1",
        "usr/lib/z f1.2",
        "usr/w f1.3",
      ],
    );
  });
  test("a directory entry replaces a symlink, and its markers do not reach through", () => {
    assert.deepEqual(union(layer("usr/", "usr/x", "l>usr"), layer("l/", "!l", "-l/x", "l/y")), [
      "l d1.1",
      "l/y f1.4",
      "usr d0.1",
      "usr/x f0.2",
    ]);
  });
  test("symlinks in a circle are refused", () => {
    assert.throws(
      () => unionOf([layer("a>b", "b>a", "a/x")]),
      (error) => isPlyError(error, "invalid") && /symlinks/.test(error.message),
    );
  });
  test("directories that nest without end are refused, deep ones are not", () => {
    const deep = Array.from({ length: 2000 }, () => "d").join("/");
    assert.equal(union(layer(`${deep}/f`)).length, 2001);
    const chain = Array.from({ length: 5 }, (_, n) => [
      `l${n + 1}>${n === 0 ? "" : `l${n}/`}${deep}`,
      `l${n + 1}/x`,
    ]);
    assert.throws(
      () => unionOf([layer(...chain.flat())]),
      (error) => isPlyError(error, "limit"),
    );
  });
  test("children come in byte order whatever the archive's", () => {
    const tree = unionOf(
      [layer("b", "\xff", "A", "a/z", "a/\x01", "é", "-", "!x").entries].map((entries) => ({
        entries: entries.filter((entry) => entry.path !== ""),
      })),
    );
    assert.deepEqual([...(tree.children?.keys() ?? [])], ["A", "a", "b", "é", "\xff"]);
    assert.deepEqual([...(lookup(tree, "a")?.children?.keys() ?? [])], ["\x01", "z"]);
  });
});

describe("the union is what the rules say, for random layers without links", () => {
  const name = fc.constantFrom("a", "b", "c");
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const line = fc
    .tuple(fc.constantFrom("", "", "", "/", "/", "-", "!"), path)
    .map(([kind, at]) => (kind === "/" ? `${at}/` : kind + at));
  const layers = fc.array(fc.array(line, { maxLength: 12 }), { minLength: 1, maxLength: 4 });

  test("a model with a flat map of paths agrees", () => {
    fc.assert(
      fc.property(layers, (lists) => {
        assert.deepEqual(union(...lists.map((lines) => layer(...lines))), model(lists));
      }),
      { numRuns: 1500 },
    );
  });

  function model(lists: readonly string[][]): string[] {
    const paths = new Map<string, string>();
    const remove = (top: string): void => {
      for (const at of [...paths.keys()]) if (at === top || at.startsWith(`${top}/`)) paths.delete(at);
    };
    for (const [n, lines] of lists.entries()) {
      for (const text of lines) {
        if (text.startsWith("-")) remove(text.slice(1));
        if (text.startsWith("!"))
          for (const at of [...paths.keys()]) if (at.startsWith(`${text.slice(1)}/`)) paths.delete(at);
      }
      for (const [position, text] of lines.entries()) {
        if (/^[-!]/.test(text)) continue;
        const isDirectory = text.endsWith("/");
        const at = isDirectory ? text.slice(0, -1) : text;
        const above: string[] = [];
        for (let up = parentOf(at); up !== ""; up = parentOf(up)) above.unshift(up);
        for (const up of above) if (!/ [d~]/.test(paths.get(up) ?? "")) paths.set(up, `${up} ~${n}.0`);
        if (!isDirectory || !/ [d~]/.test(paths.get(at) ?? "")) remove(at);
        paths.set(at, `${at} ${isDirectory ? "d" : "f"}${n}.${position + 1}`);
      }
    }
    const key = (at: string) => at.replaceAll("/", "\0");
    return [...paths].sort(([a], [b]) => (key(a) < key(b) ? -1 : 1)).map(([, shown]) => shown);
  }
});

describe("looking up", () => {
  const tree = unionOf([
    layer("usr/", "usr/bin/", "usr/bin/sh", "bin>usr/bin", "sh>/bin/../bin/./sh", "out>../../..", "x>none"),
  ]);
  test("does not follow symlinks", () => {
    assert.equal(lookup(tree, "/usr//bin/sh")?.type, "file");
    assert.equal(lookup(tree, ""), tree);
    assert.equal(lookup(tree, "bin/sh"), undefined);
    assert.equal(lookup(tree, "usr/../usr"), undefined);
    assert.equal(lookup(tree, "usr/bin/sh/x"), undefined);
  });
  test("resolving follows them inside the tree", () => {
    assert.equal(resolveInTree(tree, "sh").path, "usr/bin/sh");
    assert.equal(resolveInTree(tree, "bin/sh").node, lookup(tree, "usr/bin/sh"));
    assert.equal(resolveInTree(tree, "out/usr/bin/../../../../bin").path, "usr/bin");
    assert.deepEqual(
      [resolveInTree(tree, "x/y").path, resolveInTree(tree, "x/y").node],
      ["none/y", undefined],
    );
  });
});
