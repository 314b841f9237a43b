import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeTree } from "./remove-tree.ts";

test("a tree of which others remove parts meanwhile is gone as a whole", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "ply-remove-"));
  try {
    for (let round = 0; round < 8; round++) {
      const tree = join(scratch, `tree-${round}`);
      mkdirSync(join(tree, "deep"), { recursive: true });
      const files = Array.from({ length: 100 }, (_, at) => join(tree, String(at)));
      for (const file of files) writeFileSync(file, "");
      const gone = removeTree(tree);
      for (const file of files.slice(0, 50)) removeIfThere(file);
      await gone;
      assert.equal(existsSync(tree), false);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

function removeIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // The other was quicker.
  }
}
