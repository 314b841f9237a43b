import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type HostileRegistry, startHostileRegistry } from "../support/hostile-registry.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const MB = 1_000_000;
/** What issue 2 allows the engine at its peak. */
const MOST = 250 * MB;

/** Most resident memory that a process ever had, in bytes. */
function peakOf(engine: TestEngine): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${engine.pid}/status`, "utf8"));
  return Number(line?.[1]) * 1024;
}

function assertSmall(engine: TestEngine, what: string): void {
  const peak = peakOf(engine);
  assert.ok(peak < MOST, `${Math.round(peak / MB)} MB after ${what}`);
}

describe("the engine's memory with a layer of 90 MB that inflates to 200 MB", {
  skip: unless("root"),
  timeout: 300_000,
}, () => {
  let work: string;
  let registry: HostileRegistry;
  let archive: string;
  let image: string;

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "ply-memory-"));
    archive = join(work, "image.tar");
    registry = await startHostileRegistry();
    const line = Buffer.from("What compresses well does so a hundred times over.\n");
    const tar = tarball([
      ...busyboxMembers(),
      { name: "opt/random", data: randomBytes(90 * MB) },
      { name: "opt/text", data: Buffer.alloc(110 * MB, line) },
    ]);
    registry.image("large", [{ tar, blob: gzipSync(tar, { level: 1 }) }]);
    image = `${registry.host}/large:1`;
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  test("stays small through pull, save, run, commit and check", async () => {
    await using engine = await startEngine();
    await engine.must(["pull", image]);
    assertSmall(engine, "pull");
    await engine.must(["save", "-o", archive, image]);
    assertSmall(engine, "save");
    const change = "cat /opt/random /opt/text > /opt/both";
    await engine.must(["run", "--name", "changed", "--network", "none", image, "sh", "-c", change]);
    await engine.must(["commit", "changed", "changed:1"]);
    assertSmall(engine, "commit");
    await engine.must(["system", "check"]);
    assertSmall(engine, "check");
  });

  test("stays small through load", async () => {
    await using engine = await startEngine();
    await engine.must(["load", "-i", archive]);
    assertSmall(engine, "load");
  });
});
