import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGitAddress } from "./git-address.ts";

const plain = { ref: "", directory: "", checksum: "", keepGitDir: undefined, submodules: true };

test("what is a repository, and what is not", () => {
  for (const [text, repository] of [
    ["https://h/r.git", "https://h/r.git"],
    ["git://h/r", "git://h/r"],
    ["git+ssh://git@h/r", "ssh://git@h/r"],
    ["me@h.example:r", "me@h.example:r"],
    ["github.com/a/b", "https://github.com/a/b"],
  ] as const)
    assert.deepEqual(parseGitAddress(text), { ...plain, repository }, text);
  for (const text of ["https://h/r", "https://h/r.git/x", "dir/github.com/", "a@b", "r.git"])
    assert.equal(parseGitAddress(text), undefined, text);
});

test("refs and directories, after # and after ?", () => {
  const https = { ...plain, repository: "https://h/r.git" };
  for (const [text, expected] of [
    ["#v1", { ref: "v1" }],
    ["#:sub/dir", { directory: "sub/dir" }],
    ["#main:/sub", { ref: "main", directory: "sub" }],
    ["?ref=pull/1/head", { ref: "pull/1/head" }],
    ["?tag=v1&subdir=a", { ref: "refs/tags/v1", directory: "a" }],
    ["?branch=refs/heads/x", { ref: "refs/heads/x" }],
    ["?checksum=abc&submodules=false&keep-git-dir", { checksum: "abc", submodules: false, keepGitDir: true }],
    ["?commit=abc&mtime=commit#v1", { checksum: "abc", ref: "v1" }],
  ] as const)
    assert.deepEqual(parseGitAddress(`https://h/r.git${text}`), { ...https, ...expected }, text);
});

test("what contradicts itself or is unknown is refused", () => {
  for (const [query, message] of [
    ["?ref=a#b", /ref conflicts: "b" vs "a"/],
    ["?tag=a&branch=b", /branch conflicts with tag/],
    ["?subdir=a#:b", /subdir conflicts/],
    ["?subdir=a&subdir=a", /multiple values/],
    ["?ref=", /query "ref" has no value/],
    ["?submodules=perhaps", /invalid submodules value/],
    ["?depth=1", /unexpected query "depth"/],
    ["#-x", /cannot begin with -/],
    ["#:a/../../b", /leads out of the repository/],
  ] as const)
    assert.throws(() => parseGitAddress(`https://h/r.git${query}`), message, query);
});
