import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { familiarMatch, matchPath } from "./path-match.ts";
import { parseReference } from "./reference.ts";

// After the table of Go's path.Match tests.
describe("matchPath", () => {
  const cases: [pattern: string, text: string, matches: boolean][] = [
    ["abc", "abc", true],
    ["*", "abc", true],
    ["*c", "abc", true],
    ["a*", "a", true],
    ["a*", "ab/c", false],
    ["a*/b", "abc/b", true],
    ["a*/b", "a/c/b", false],
    ["a*b*c*d*e*/f", "axbxcxdxexxx/f", true],
    ["a*b*c*d*e*/f", "axbxcxdxexxx/fff", false],
    ["a*b?c*x", "abxbbxdbxebxczzx", true],
    ["a*b?c*x", "abxbbxdbxebxczzy", false],
    ["ab[c]", "abc", true],
    ["ab[b-d]", "abc", true],
    ["ab[e-g]", "abc", false],
    ["ab[^c]", "abc", false],
    ["ab[^e-g]", "abc", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "ab", false],
    ["a?b", "a☺b", true],
    ["a[^a]b", "a☺b", true],
    ["a???b", "a☺b", false],
    ["a*b", "a/b", false],
    ["a?b", "a/b", false],
    ["*x", "xxx", true],
    ["", "", true],
    ["", "a", false],
  ];
  for (const [pattern, text, matches] of cases)
    test(`${pattern} on ${text}`, () => assert.equal(matchPath(pattern, text), matches));

  for (const pattern of ["[", "[]a]", "[-]", "[x-]", "[-x]", "a[", "[a-b-c]", "[^", "a\\"])
    test(`refuses ${pattern}`, () => assert.throws(() => matchPath(pattern, "a"), /syntax error in pattern/));

  test("many stars take no exponential time", () => {
    assert.equal(matchPath(`${"*a".repeat(200)}b`, "a".repeat(2000)), false);
  });
});

test("filters see familiar names, with and without the tag", () => {
  const busybox = parseReference("busybox:1.36");
  for (const pattern of ["busybox", "busybox:1.36", "busy*", "*:1.36", "*"])
    assert.equal(familiarMatch(pattern, busybox), true, pattern);
  for (const pattern of ["library/busybox", "docker.io/*/*", "busybox:latest", "*/*"])
    assert.equal(familiarMatch(pattern, busybox), false, pattern);
  assert.equal(familiarMatch("localhost:5000/*", parseReference("localhost:5000/app:x")), true);
});
