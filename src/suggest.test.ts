import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { editDistance, suggest } from "./suggest.ts";

describe("suggestions", () => {
  test("an edit distance counts insertions, deletions, replacements and swaps", () => {
    for (const [a, b, distance] of [
      ["", "", 0],
      ["pull", "pull", 0],
      ["pul", "pull", 1],
      ["pulll", "pull", 1],
      ["pall", "pull", 1],
      ["plul", "pull", 1],
      ["", "abc", 3],
      ["kitten", "sitting", 3],
    ] as const)
      assert.equal(editDistance(a, b), distance, `${a} → ${b}`);
  });

  test("a misspelt word finds what was meant, nearest first", () => {
    const words = ["pull", "push", "images", "image", "ps", "rm", "rmi"];
    assert.deepEqual(suggest("pul", words), ["pull"]);
    assert.deepEqual(suggest("imagse", words), ["image", "images"]);
    assert.deepEqual(suggest("ima", words), ["image", "images"]);
    assert.deepEqual(suggest("kubernetes", words), []);
  });
});
