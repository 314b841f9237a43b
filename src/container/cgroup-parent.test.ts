import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { cgroupParentOf } from "./cgroup-parent.ts";

test("a cgroup parent is a path from the root of the cgroups, however it is written", () => {
  assert.equal(cgroupParentOf({}), undefined);
  assert.equal(cgroupParentOf({ cgroupParent: "" }), undefined);
  for (const cgroupParent of ["builds/ci", "/builds/ci", "//builds//ci/", "./builds/./ci"])
    assert.equal(cgroupParentOf({ cgroupParent }), "/builds/ci", cgroupParent);
  assert.equal(cgroupParentOf({ cgroupParent: "/builds/..ci" }), "/builds/..ci");
});

test("it climbs nowhere", () => {
  for (const cgroupParent of ["..", "../x", "/a/../../b", "a/..", "/", ".", "a\0b"])
    assert.throws(
      () => cgroupParentOf({ cgroupParent }),
      (error) => isPlyError(error, "invalid"),
      JSON.stringify(cgroupParent),
    );
});
