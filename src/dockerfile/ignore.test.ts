import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIgnoreFile } from "./ignore.ts";

const CASES: readonly (readonly [rules: string, ignored: readonly string[], kept: readonly string[]])[] = [
  ["a", ["a", "a/b"], ["b", "x/a", "ab"]],
  ["/a", ["a"], ["x/a"]],
  ["./a/", ["a", "a/b"], []],
  ["*.md", ["x.md"], ["d/x.md", ".mdx"]],
  ["**/*.md", ["x.md", "d/x.md", "d/e/x.md"], ["x.mdx"]],
  ["**", ["a", "a/b"], []],
  ["a/**", ["a/b", "a/b/c"], ["a", "ab"]],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b"]],
  ["**/b", ["b", "a/b"], ["ab"]],
  ["?", ["a"], ["ab"]],
  ["[a-c]x", ["bx"], ["dx"]],
  ["[^a-c]x", ["dx"], ["bx", "x"]],
  ["[^-c]x", ["bx"], ["cx", "-x"]],
  ["\\*", ["*"], ["a"]],
  ["a.b", ["a.b"], ["axb"]],
  ["# comment\n\n  a  ", ["a"], ["# comment"]],
  ["*\n!a", ["b", "b/c"], ["a", "a/b"]],
  ["*.md\n!README.md", ["x.md"], ["README.md"]],
  ["a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]],
  ["!a\na", ["a"], []],
  ["a/../b", ["b"], ["a"]],
  ["..", [], ["a"]],
  ["/", [], ["a"]],
  ["a\r\nb\r\n", ["a", "b"], []],
  ["\uFEFFa", ["a"], []],
];
for (const [rules, ignored, kept] of CASES)
  test(`rules ${JSON.stringify(rules)}`, () => {
    const file = parseIgnoreFile(rules);
    assert.deepEqual(
      [...ignored, ...kept].filter((path) => file.isIgnored(path)),
      ignored,
    );
  });

test("says which rule decided", () => {
  const file = parseIgnoreFile("# c\n*\n!a\n");
  assert.deepEqual(
    [file.decidedBy("a")?.text, file.decidedBy("b/c")?.line, file.decidedBy("a")?.line],
    ["!a", 2, 3],
  );
});

test("an ignored directory is read only when something below may be kept", () => {
  const file = parseIgnoreFile("*\n!src/*/keep\n!**/deep\n");
  assert.equal(file.mayKeepBelow("src"), true);
  assert.equal(parseIgnoreFile("*\n!src/*/keep").mayKeepBelow("lib"), false);
  assert.equal(parseIgnoreFile("*\n!src/*/keep").mayKeepBelow("src/a"), true);
  assert.equal(file.mayKeepBelow("anything"), true);
});

test("refuses malformed patterns", () => {
  for (const rule of ["[a", "a\\", "!"]) assert.throws(() => parseIgnoreFile(rule), { kind: "invalid" });
});
