import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { followed, parseEndpoint, planCopy, splitEntry } from "./copy-rules.ts";

describe("parseEndpoint", () => {
  for (const [word, place, path] of [
    ["web:/etc/x", "web", "/etc/x"],
    ["web:etc/x", "web", "etc/x"],
    ["debian:12:/etc", "debian:12", "/etc"],
    ["localhost:5000/team/app:1:/a:/b", "localhost:5000/team/app:1", "/a:/b"],
    ["./odd:name", undefined, "./odd:name"],
    ["/abs:olute", undefined, "/abs:olute"],
    ["plain", undefined, "plain"],
    ["-", undefined, "-"],
    ["web:", "web", ""],
  ] as const)
    test(word, () => assert.deepEqual(parseEndpoint(word), { place, path }));
});

describe("planCopy", () => {
  const file = { path: "/a/file", isDirectory: false };
  const tree = { path: "/a/tree", isDirectory: true };
  test("into a directory that is there, as it is called", () =>
    assert.deepEqual(planCopy(tree, { path: "/d", kind: "directory" }), { directory: "/d" }));
  test("onto a file, or to a new name: under that name", () => {
    const plan = { directory: "/d", rename: { from: "file", to: "new" } };
    assert.deepEqual(planCopy(file, { path: "/d/new", kind: "other" }), plan);
    assert.deepEqual(planCopy(file, { path: "/d/new", kind: undefined }), plan);
  });
  test("what is in a directory becomes a new one", () =>
    assert.deepEqual(
      planCopy({ path: "/a/tree/.", isDirectory: true }, { path: "/d/new/", kind: undefined }),
      {
        directory: "/d",
        rename: { from: ".", to: "new" },
      },
    ));
  test("refuses what Docker refuses", () => {
    assert.throws(() => planCopy(tree, { path: "/d/f", kind: "other" }), /cannot copy directory/);
    assert.throws(() => planCopy(file, { path: "/d/no/", kind: undefined }), /no such directory/);
  });
});

test("a followed link keeps its name and what its path asked for", () => {
  assert.deepEqual(followed("/link", "/there"), { path: "/there", rename: "link" });
  assert.deepEqual(followed("/link/", "/there"), { path: "/there/", rename: "link" });
  assert.deepEqual(followed("/link/.", "/there"), { path: "/there/." });
  assert.deepEqual(splitEntry("/"), { directory: "/", base: "/" });
});
