import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, readFileSync, writeSync } from "node:fs";
import { describe, test } from "node:test";
import { sealProgram } from "./sealed-file.ts";

describe("a sealed program", { skip: process.versions["bun"] === undefined }, () => {
  test("runs, and cannot be changed", () => {
    const fd = sealProgram("echo", readFileSync("/bin/echo"));
    try {
      const ran = spawnSync(`/proc/${process.pid}/fd/${fd}`, ["it runs"], { encoding: "utf8" });
      assert.equal(ran.stdout, "it runs\n");
      assert.throws(() => writeSync(fd, "x", 0), { code: "EPERM" });
    } finally {
      closeSync(fd);
    }
  });
});
