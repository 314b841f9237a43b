import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TreeNode } from "../../layer/index.ts";
import { createFilePool } from "./file-pool.ts";
import { newNode, type PackedTree } from "./file-tree.ts";

/** A directory with files of these contents, and who reads them. */
function treeOf(contents: Readonly<Record<string, string>>, failing?: string) {
  const node = newNode({ type: "directory", mode: 0o755 });
  const read: string[] = [];
  for (const [name, text] of Object.entries(contents))
    node.children?.set(name, newNode({ type: "file", mode: 0o644, size: text.length }));
  const tree = {
    *read(path: string): Generator<Uint8Array> {
      read.push(path);
      const bytes = Buffer.from(contents[path] ?? "");
      yield bytes.subarray(0, 2);
      if (path === failing) throw new Error("it changed");
      yield bytes.subarray(2);
    },
  };
  const nameOf = (file: TreeNode) => [...(node.children ?? [])].find(([, each]) => each === file)?.[0];
  return { source: { tree, path: "", node }, read, stampOf: (file: TreeNode) => `${nameOf(file)} 1` };
}

function contentsOf({ root, data }: PackedTree): Record<string, string> {
  const bytes = readFileSync(data.path);
  assert.ok(bytes.length >= data.size && data.size % 512 === 0);
  return Object.fromEntries(
    [...(root.children ?? [])].map(([name, { data: place, size }]) => {
      assert.equal((place?.offset ?? 0) % 512, 0);
      return [name, place === null ? "" : bytes.toString("utf8", place.offset, place.offset + size)];
    }),
  );
}

test("a pool reads what it knows once, and what failed is not taken for what it was to be", async () => {
  const home = mkdtempSync(join(tmpdir(), "ply-pool-"));
  try {
    const pool = createFilePool(home);
    const first = treeOf({ a: "one", empty: "", large: "x".repeat(5_000_000) });
    const one = await pool.pack(first.source, first.stampOf);
    assert.deepEqual(contentsOf(one), { a: "one", empty: "", large: "x".repeat(5_000_000) });
    const second = treeOf({ a: "one", b: "two!" });
    const two = await pool.pack(second.source, second.stampOf);
    assert.deepEqual(contentsOf(two), { a: "one", b: "two!" });
    assert.deepEqual([second.read, two.data.path], [["b"], one.data.path]);
    const failing = treeOf({ c: "three", d: "four" }, "d");
    await assert.rejects(pool.pack(failing.source, failing.stampOf), /it changed/);
    const third = treeOf({ c: "THREE", a: "one" });
    const three = await pool.pack(third.source, third.stampOf);
    assert.deepEqual(contentsOf(three), { c: "THREE", a: "one" });
    assert.deepEqual(contentsOf(one)["a"], "one");
    for (const packed of [one, two, three]) packed[Symbol.dispose]();
    pool[Symbol.dispose]();
    assert.deepEqual(readdirSync(home), []);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
