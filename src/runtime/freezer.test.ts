import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { Cgroups } from "./cgroup.ts";
import { createFreezer } from "./freezer.ts";

describe("the freezer", () => {
  let home: string;
  before(() => {
    home = mkdtempSync(join(tmpdir(), "ply-freezer-"));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const layoutAt = (layout: Cgroups["layout"], hierarchy: string): Cgroups => {
    mkdirSync(join(hierarchy, "ply/one"), { recursive: true });
    return { layout, hierarchies: [hierarchy], strayControllers: [] };
  };

  test("v1: one file asks and answers", async () => {
    const hierarchy = join(home, "freezer");
    const freezer = createFreezer(layoutAt("v1", hierarchy));
    const state = join(hierarchy, "ply/one/freezer.state");
    writeFileSync(state, "THAWED\n");
    assert.equal(await freezer.isFrozen("/ply/one"), false);
    await freezer.freeze("/ply/one");
    assert.equal(await freezer.isFrozen("/ply/one"), true);
    writeFileSync(state, "FREEZING\n");
    await freezer.thaw("/ply/one");
    assert.equal(readFileSync(state, "utf8"), "THAWED");
  });

  test("v2: one file asks, another answers", async () => {
    const hierarchy = join(home, "unified");
    const freezer = createFreezer(layoutAt("v2", hierarchy));
    writeFileSync(join(hierarchy, "ply/one/cgroup.freeze"), "0\n");
    writeFileSync(join(hierarchy, "ply/one/cgroup.events"), "populated 1\nfrozen 1\n");
    await freezer.freeze("/ply/one");
    assert.equal(readFileSync(join(hierarchy, "ply/one/cgroup.freeze"), "utf8"), "1");
    assert.equal(await freezer.isFrozen("/ply/one"), true);
    await freezer.thaw("/ply/one");
    assert.equal(await freezer.isFrozen("/ply/one"), false);
  });

  test("what is not there is not frozen, and a host without one says so", async () => {
    const freezer = createFreezer(layoutAt("v1", join(home, "freezer")));
    assert.equal(await freezer.isFrozen("/ply/two"), false);
    await freezer.thaw("/ply/two");
    const none = createFreezer({ layout: "v1", hierarchies: ["/nowhere/cpu"], strayControllers: [] });
    await assert.rejects(none.freeze("/ply/one"), (error) => isPlyError(error, "unsupported"));
  });
});
