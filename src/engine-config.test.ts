import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parseEngineConfig, readEngineConfig } from "./engine-config.ts";

describe("engine.json", () => {
  test("says what it says, and need not be there", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ply-engine-config-"));
    try {
      assert.deepEqual(await readEngineConfig(dir), {});
      await writeFile(join(dir, "engine.json"), '{ "cgroupFavordynmods": false }');
      assert.deepEqual(await readEngineConfig(dir), { cgroupFavordynmods: false });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("mistakes are named", () => {
    assert.throws(() => parseEngineConfig("{"), /not JSON/);
    assert.throws(() => parseEngineConfig("[]"), /want an object/);
    assert.throws(
      () => parseEngineConfig('{ "cgroupFavourdynmods": false }'),
      /cgroupFavourdynmods: there is no/,
    );
    assert.throws(() => parseEngineConfig('{ "cgroupFavordynmods": "no" }'), /want true or false/);
  });
});
