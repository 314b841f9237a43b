import assert from "node:assert/strict";
import { test } from "node:test";
import { searchPattern } from "./search-pattern.ts";

test("expressions are taken, but for broken, long and nested ones", () => {
  for (const text of ["web", "^a.*b$", "[0-9]{2,3}", "(a|b)+c", "a\\+b"])
    assert.equal(searchPattern(text)?.source, text);
  for (const text of ["(", "(a+)+", "(a*)*$", "(a{2,}){2,}", "a".repeat(1025)])
    assert.equal(searchPattern(text), undefined, text);
});
