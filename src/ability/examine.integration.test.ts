import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../test/support/process.ts";
import { parseMountinfo } from "../linux/index.ts";
import { examineHost } from "./examine.ts";

const skip =
  process.versions["bun"] === undefined
    ? "system calls need Bun"
    : process.getuid?.() !== 0
      ? "trials need root"
      : false;

test("every ability is tried for real, and nothing is left behind", { skip, timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "ply-examine-"));
  const mounts = () => parseMountinfo().filter(({ target }) => target.startsWith(dir)).length;
  const cgroups = () => readdirSync("/sys/fs/cgroup/memory").filter((name) => name.startsWith("ply-doctor"));
  // Others on this host may have been killed over it, or are at it just now.
  const others = new Set(cgroups());
  process.env["TMPDIR"] = dir;
  try {
    const found = await examineHost({
      root: join(dir, "root"),
      runRoot: join(dir, "run"),
      tryDrivers: async () => [{ name: "erofs", ok: true, why: "as a trial says" }],
    });
    const broken = found.filter(({ state }) => state === "broken");
    assert.deepEqual(broken, []);
    const names = found.map(({ area, name }) => `${area}/${name}`);
    for (const name of [
      "rights/mounting",
      "kernel/id-mapped mounts",
      "cgroups/memory",
      "cgroups/favordynmods",
      "container/trial run",
    ])
      assert.ok(names.includes(name), name);
    for (const { state, cost, cure } of found)
      if (state !== "works") assert.ok(cost !== undefined && cure !== undefined);
    assert.equal(found.find(({ name }) => name === "memory")?.state, "works");
    assert.equal(mounts(), 0);
    await until("no cgroup is left", () => cgroups().every((name) => others.has(name)));
    assert.deepEqual(readdirSync(dir).sort(), ["root", "run"]);
    assert.deepEqual(readdirSync(join(dir, "run")), []);
    assert.deepEqual(readdirSync(join(dir, "root", "ingest")), []);
  } finally {
    delete process.env["TMPDIR"];
    rmSync(dir, { recursive: true, force: true });
  }
});

test("storage that fails is broken, with what stood in the way", { skip, timeout: 60_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "ply-examine-"));
  try {
    const found = await examineHost({
      root: join(dir, "root"),
      runRoot: join(dir, "run"),
      tryDrivers: async () => [{ name: "erofs", ok: false, why: "ENODEV" }],
    });
    const driver = found.find(({ area, name }) => area === "storage" && name === "driver");
    assert.deepEqual([driver?.state, driver?.found], ["broken", "erofs: ENODEV"]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
