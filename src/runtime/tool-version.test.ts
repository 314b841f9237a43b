import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openToolVersions } from "./tool-version.ts";

describe("openToolVersions", () => {
  let dir: string;
  let program: string;
  let memory: string;
  const runs = (): number => readFileSync(join(dir, "runs"), "utf8").length;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), "ply-versions-"));
    program = join(dir, "tool");
    memory = join(dir, "versions.json");
    writeFileSync(join(dir, "runs"), "");
    writeFileSync(program, `#!/bin/sh\nprintf x >> ${dir}/runs\necho tool version 1.2\necho more\n`, {
      mode: 0o755,
    });
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test("asks a program once, and again when its file has changed", async () => {
    assert.equal(await openToolVersions(memory).of(program), "1.2");
    assert.equal(await openToolVersions(memory).of(program), "1.2");
    assert.equal(runs(), 1);
    appendFileSync(program, "# another file now\n");
    assert.equal(await openToolVersions(memory).of(program), "1.2");
    assert.equal(runs(), 2);
  });

  test("a memory that is damaged or cannot be written does no harm", async () => {
    for (const text of ["", "{", '[[1,2],["x"],["y",{}],null]']) {
      writeFileSync(memory, text);
      assert.equal(await openToolVersions(memory).of(program), "1.2");
    }
    assert.equal(await openToolVersions(join(dir, "no", "folder")).of(program), "1.2");
  });

  test("a program that is not there has no version, and is not remembered", async () => {
    rmSync(memory, { force: true });
    await openToolVersions(memory).of(join(dir, "absent"));
    assert.equal(existsSync(memory), false);
  });
});
