import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { parseIgnoreFile } from "../../dockerfile/index.ts";
import { type DirectoryTreeOptions, directoryTree } from "./directory-tree.ts";
import { type FileTree, walkTree } from "./file-tree.ts";
import { createHostMemory, createSeenTrees, type HostMemory } from "./host-memory.ts";

/** As looked at some seconds from now: what is younger than a tick of its clock is not remembered. */
const LATER_MS = 10_000;

let dir: string;
let memory: HostMemory;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "ply-walk-"));
  memory = createHostMemory()();
  for (const path of ["a/deep", "b/deep", "empty"]) fs.mkdirSync(join(dir, path), { recursive: true });
  for (const name of ["top", "a/file", "a/deep/file", "b/file", "b/deep/file", "b/é"])
    fs.writeFileSync(join(dir, name), "before");
  fs.symlinkSync("top", join(dir, "a/link"));
  fs.linkSync(join(dir, "a/file"), join(dir, "b/again"));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const at = (path: string): string => join(dir, path);
const remembering = (options: DirectoryTreeOptions = {}): Promise<FileTree> =>
  directoryTree(dir, { ...memory, now: Date.now() + LATER_MS, ...options });

/** All that a layer could tell of a tree; which names are one file among it. */
async function told(tree: FileTree): Promise<unknown[]> {
  const numbers = new Map<unknown, number>();
  const lines: unknown[] = [];
  for (const [path, node] of walkTree("", tree.root)) {
    const { type, mode, size, linkTarget, mtimeSeconds, mtimeNanos } = node;
    const digest = type === "file" ? await tree.digestOf(path, node) : "";
    const number = numbers.get(node) ?? numbers.size;
    numbers.set(node, number);
    lines.push([path, type, mode, size, linkTarget, mtimeSeconds, mtimeNanos, digest, number]);
  }
  return lines;
}

/** Keeps the times of modification, as tools that hide a change do. */
function hiding(paths: readonly string[], change: () => void): void {
  const before = paths.map((path) => [path, fs.statSync(at(path))] as const);
  change();
  for (const [path, { atime, mtime }] of before) fs.utimesSync(at(path), atime, mtime);
}

const CHANGES: Readonly<Record<string, () => void>> = {
  "a rewrite with the same size and time": () =>
    hiding(["a/deep/file"], () => fs.writeFileSync(at("a/deep/file"), "after!")),
  "a file renamed over another": () => {
    fs.writeFileSync(at("new"), "after!");
    hiding(["b"], () => fs.renameSync(at("new"), at("b/file")));
  },
  "two files that change places": () =>
    hiding(["a", "b/deep"], () => {
      fs.renameSync(at("a/deep/file"), at("x"));
      fs.renameSync(at("b/deep/file"), at("a/deep/file"));
      fs.renameSync(at("x"), at("b/deep/file"));
    }),
  "the mode of a file": () => fs.chmodSync(at("b/deep/file"), 0o755),
  "the mode of a directory": () => fs.chmodSync(at("a/deep"), 0o700),
  "the mode of an empty directory": () => fs.chmodSync(at("empty"), 0o700),
  "the mode of the root": () => fs.chmodSync(dir, 0o750),
  "a touch": () => fs.utimesSync(at("top"), 1, 1),
  "a file more": () => hiding(["a/deep"], () => fs.writeFileSync(at("a/deep/more"), "x")),
  "a file less": () => hiding(["a/deep"], () => fs.rmSync(at("a/deep/file"))),
  "a file in what was empty": () => hiding(["empty"], () => fs.writeFileSync(at("empty/x"), "x")),
  "a name that is no ASCII": () => hiding(["b"], () => fs.renameSync(at("b/é"), at("b/è"))),
  "the target of a link": () =>
    hiding(["a"], () => {
      fs.rmSync(at("a/link"));
      fs.symlinkSync("pot", at("a/link"));
    }),
  "a directory in place of a file": () =>
    hiding(["a/deep"], () => {
      fs.rmSync(at("a/deep/file"));
      fs.mkdirSync(at("a/deep/file"));
    }),
  "a link in place of a directory": () => {
    fs.rmSync(at("empty"), { recursive: true });
    fs.symlinkSync("a", at("empty"));
  },
  "a directory in place of another with the same time": () =>
    hiding(["a"], () => {
      fs.renameSync(at("a/deep"), at("old"));
      fs.mkdirSync(at("a/deep"));
      fs.writeFileSync(at("a/deep/file"), "after!");
      const { atime, mtime } = fs.statSync(at("old"));
      fs.utimesSync(at("a/deep"), atime, mtime);
    }),
  "two directories that change places": () => {
    fs.writeFileSync(at("b/deep/file"), "another");
    fs.renameSync(at("a/deep"), at("x"));
    fs.renameSync(at("b/deep"), at("a/deep"));
    fs.renameSync(at("x"), at("b/deep"));
  },
  "a directory that goes": () => fs.rmSync(at("a/deep"), { recursive: true }),
  "content through another name": () => fs.writeFileSync(at("b/again"), "after!"),
  "a name more of a file": () => fs.linkSync(at("a/deep/file"), at("b/third")),
  "a name that is a file of its own now": () => {
    fs.copyFileSync(at("b/again"), at("x"));
    fs.renameSync(at("x"), at("b/again"));
  },
};

describe("a directory that was seen before", () => {
  test("is the same tree while nothing changes, its unchanged parts when something does", async () => {
    const first = await remembering();
    await told(first);
    const second = await remembering();
    assert.equal(second.root, first.root);
    fs.writeFileSync(at("a/deep/file"), "after!");
    const { root } = await remembering();
    assert.notEqual(root, first.root);
    assert.equal(root.children?.get("b"), first.root.children?.get("b"));
    assert.equal(
      root.children?.get("a")?.children?.get("link"),
      first.root.children?.get("a")?.children?.get("link"),
    );
    assert.equal((await remembering()).root, root);
  });

  for (const [name, change] of Object.entries(CHANGES))
    test(`is seen anew after: ${name}`, async () => {
      const before = await told(await remembering());
      change();
      const anew = await told(await directoryTree(dir));
      assert.notDeepEqual(anew, before);
      assert.deepEqual(await told(await remembering()), anew);
      assert.deepEqual(await told(await remembering()), anew);
    });

  test("is looked through anew as long as it may change without a sign", async () => {
    const young = { now: fs.statSync(dir).ctimeMs };
    const first = await remembering(young);
    assert.notEqual((await remembering(young)).root, first.root);
  });

  test("is another one with other rules, and shows what they keep as soon as it is there", async () => {
    const ignore = parseIgnoreFile("a\n!a/deep/kept");
    const paths = async (options: DirectoryTreeOptions) =>
      [...walkTree("", (await remembering(options)).root)].map(([path]) => path);
    const all = await paths({});
    assert.deepEqual(
      (await paths({ ignore })).filter((path) => path.startsWith("a")),
      [],
    );
    fs.writeFileSync(at("a/deep/kept"), "x");
    assert.deepEqual(
      (await paths({ ignore })).filter((path) => path.startsWith("a")),
      ["a", "a/deep", "a/deep/kept"],
    );
    assert.deepEqual(await paths({}), [...all, "a/deep/kept"].sort());
  });
});

describe("the memory of a host's files", () => {
  test("is lost when the clock was set back, by a little at a time too", () => {
    let wall = 1_000_000;
    const memory = createHostMemory({ wall: () => wall, steady: () => 0 });
    const first = memory();
    wall += 5000;
    assert.equal(memory(), first);
    wall -= 600;
    assert.equal(memory(), first);
    wall -= 600;
    const second = memory();
    assert.notEqual(second, first);
    assert.equal(memory(), second);
  });

  test("holds so many files, of the directories that were seen last", async () => {
    const trees = createSeenTrees();
    const { root: node } = await directoryTree(dir);
    const seen = { node, unchanged: undefined, below: [] };
    const kept = (...ids: string[]) => ids.filter((id) => trees.find(id) !== undefined);
    for (const id of ["a", "b", "a", "c"]) trees.keep(id, seen, 40_000);
    assert.deepEqual(kept("a", "b", "c"), ["a", "c"]);
    trees.keep("large", seen, 100_001);
    assert.deepEqual(kept("a", "c", "large"), ["a", "c"]);
  });
});
