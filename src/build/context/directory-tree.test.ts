import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { parseIgnoreFile } from "../../dockerfile/index.ts";
import { isPlyError } from "../../error.ts";
import type { TreeNode } from "../../layer/index.ts";
import { utimensNs } from "../../linux/index.ts";
import { directoryTree } from "./directory-tree.ts";
import { createFileDigests, type FileDigests } from "./file-digests.ts";
import { walkTree } from "./file-tree.ts";

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "ply-tree-"));
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const sha256 = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex");
const write = (name: string, text: string | Uint8Array) => fs.writeFileSync(join(dir, name), text);
function nodeAt(root: TreeNode, path: string): TreeNode {
  const found = [...walkTree("", root)].find(([each]) => each === path)?.[1];
  assert(found !== undefined, path);
  return found;
}

function reading(tree: Awaited<ReturnType<typeof directoryTree>>, path: string): string {
  const node = nodeAt(tree.root, path);
  let text = "";
  for (const bytes of tree.read(path, node)) text += Buffer.from(bytes).toString("latin1");
  return text;
}

describe("a directory as a tree", () => {
  test("has all that a context can hold, in the order of bytes, whatever the names", async () => {
    fs.mkdirSync(join(dir, "sub"), { mode: 0o750 });
    fs.chmodSync(join(dir, "sub"), 0o2750);
    write("sub/file", "content");
    fs.symlinkSync("../away", join(dir, "sub/link"));
    write("Z", "");
    write("é", "two bytes");
    fs.writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0x41])]), "no UTF-8");
    fs.linkSync(join(dir, "sub/file"), join(dir, "again"));
    const tree = await directoryTree(dir);
    assert.deepEqual(
      [...walkTree("", tree.root)].map(([path, { type }]) => [path, type]),
      [
        ["", "directory"],
        ["Z", "file"],
        ["again", "file"],
        ["sub", "directory"],
        ["sub/file", "file"],
        ["sub/link", "symlink"],
        ["\u00c3\u00a9", "file"],
        ["\u00ffA", "file"],
      ],
    );
    assert.equal(nodeAt(tree.root, "sub").mode, 0o2750);
    assert.equal(nodeAt(tree.root, "sub/link").linkTarget, "../away");
    assert.equal(nodeAt(tree.root, "again"), nodeAt(tree.root, "sub/file"));
    assert.equal(reading(tree, "\u00ffA"), "no UTF-8");
    assert.equal(reading(tree, "\u00c3\u00a9"), "two bytes");
  });

  test("has times to the nanosecond, also before 1970", async () => {
    write("old", "x");
    utimensNs(join(dir, "old"), 0n, -1_500_000_000n);
    write("new", "x");
    const { root } = await directoryTree(dir);
    const { mtimeNs } = fs.lstatSync(join(dir, "new"), { bigint: true });
    const { mtimeSeconds, mtimeNanos } = nodeAt(root, "new");
    assert.equal(BigInt(mtimeSeconds) * 1_000_000_000n + BigInt(mtimeNanos), mtimeNs);
    const old = nodeAt(root, "old");
    assert.deepEqual([old.mtimeSeconds, old.mtimeNanos], [-2, 500_000_000]);
  });

  test("is without what is ignored, but for what is kept below", async () => {
    fs.mkdirSync(join(dir, "a/b"), { recursive: true });
    for (const name of ["a/drop", "a/b/keep", "other"]) write(name, "x");
    const ignore = parseIgnoreFile("a\n!a/b/keep\nother");
    const { root } = await directoryTree(dir, { ignore });
    assert.deepEqual(
      [...walkTree("", root)].map(([path]) => path),
      ["", "a", "a/b", "a/b/keep"],
    );
  });
});

describe("contents", () => {
  test("are read once for digest and copy, large and small", async () => {
    const large = Buffer.alloc(700_000, "large");
    write("large", large);
    write("small", "small");
    write("empty", "");
    const tree = await directoryTree(dir);
    for (const [name, bytes] of [
      ["large", large],
      ["small", "small"],
      ["empty", ""],
    ] as const) {
      assert.equal(await tree.digestOf(name, nodeAt(tree.root, name)), sha256(bytes));
      for (let time = 0; time < 2; time++) assert.equal(reading(tree, name), bytes.toString("latin1"));
    }
  });

  test("that change after the look are refused", async () => {
    write("file", "before");
    write("gone", "before");
    const tree = await directoryTree(dir);
    write("file", "after!");
    await assert.rejects(
      async () => await tree.digestOf("file", nodeAt(tree.root, "file")),
      (error) => isPlyError(error, "conflict") && error.message.includes("changed while the build read it"),
    );
    write("gone", "");
    assert.throws(() => reading(tree, "gone"), /changed while/);
  });
});

describe("digests that are remembered", () => {
  /** Counts what was not known. */
  function counting(digests: FileDigests) {
    let missed = 0;
    return {
      digests: {
        get: (stamp) => {
          const found = digests.get(stamp);
          if (found === undefined) missed++;
          return found;
        },
        put: digests.put,
      } satisfies FileDigests,
      missed: () => missed,
    };
  }
  /** As looked at some seconds from now: only what is older than a tick of its clock is remembered. */
  const digestOf = async (digests: FileDigests, name: string, laterMs = 10_000) => {
    const tree = await directoryTree(dir, { digests, now: Date.now() + laterMs });
    return await tree.digestOf(name, nodeAt(tree.root, name));
  };

  test("hold for what did not change, and for nothing else", async () => {
    const { digests, missed } = counting(createFileDigests());
    write("file", "one");
    const { mtime } = fs.statSync(join(dir, "file"));
    // As young as that it may change again without a sign: it is not remembered.
    assert.equal(await digestOf(digests, "file", 0), sha256("one"));
    assert.equal(await digestOf(digests, "file", 0), sha256("one"));
    assert.equal(missed(), 4);
    assert.equal(await digestOf(digests, "file"), sha256("one"));
    assert.equal(missed(), 6);
    assert.equal(await digestOf(digests, "file"), sha256("one"));
    assert.equal(missed(), 6);
    // The same size and the same time of modification, as tools that hide a change leave it.
    write("file", "two");
    fs.utimesSync(join(dir, "file"), mtime, mtime);
    assert.equal(await digestOf(digests, "file"), sha256("two"));
  });

  test("are told apart by every part of a stamp, and the oldest go", () => {
    const digests = createFileDigests();
    const stamp = { device: 1, inodeLow: 2, inodeHigh: 3, size: 4, changedSeconds: 5, changedNanos: 6 };
    digests.put(stamp, "digest");
    assert.equal(digests.get({ ...stamp })?.digest, "digest");
    for (const key of Object.keys(stamp) as (keyof typeof stamp)[])
      assert.equal(digests.get({ ...stamp, [key]: 99 }), undefined);
    for (let inodeLow = 1000; inodeLow < 101_000; inodeLow++) digests.put({ ...stamp, inodeLow }, "other");
    assert.equal(digests.get(stamp), undefined);
  });
});
