import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { EngineEvent } from "../event/index.ts";
import { openVolumes, type VolumeDocuments, type VolumeRecord } from "./index.ts";

function documents(): VolumeDocuments {
  const map = new Map<string, unknown>();
  return {
    put: (key, value) => map.set(key, value),
    delete: (key) => map.delete(key),
    list: () => [...map].map(([key, value]) => ({ key, value })),
  };
}

describe("volumes", () => {
  let root = "";
  before(() => {
    root = mkdtempSync(join(tmpdir(), "ply-volume-"));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  test("a named volume is made once and found again by the next engine", async () => {
    const records = documents();
    const volumes = await openVolumes({ root, records, clock: () => 5 });
    const made = await volumes.ensure({ name: "data", labels: { a: "b" } });
    const path = join(root, "volumes/data/_data");
    assert.deepEqual(made, { name: "data", createdAt: 5, labels: { a: "b" }, anonymous: false, path });
    assert.ok(statSync(path).isDirectory());
    assert.equal(await volumes.ensure({ name: "data" }), made);
    assert.deepEqual((await openVolumes({ root, records })).list(), [made]);
    await volumes.remove("data");
  });

  test("an anonymous volume has 64 hex digits as its name", async () => {
    const volumes = await openVolumes({ root, records: documents() });
    const { name, anonymous } = await volumes.ensure({});
    assert.match(name, /^[0-9a-f]{64}$/);
    assert.equal(anonymous, true);
    await volumes.remove(name);
  });

  test("a volume in use stays; afterwards nothing is left of it", async () => {
    const volumes = await openVolumes({ root, records: documents() });
    const { path } = await volumes.ensure({ name: "busy" });
    writeFileSync(join(path, "x"), "");
    volumes.retain("busy", "c1");
    await assert.rejects(volumes.remove("busy"), (error) => {
      assert.ok(isPlyError(error, "conflict"));
      assert.equal(error.message, "remove busy: volume is in use - [c1]");
      return true;
    });
    volumes.release("busy", "c1");
    await volumes.remove("busy");
    assert.deepEqual(readdirSync(join(root, "volumes")), []);
    assert.throws(
      () => volumes.get("busy"),
      (error) => isPlyError(error, "not-found"),
    );
  });

  test("bad names are refused and reach no path", async () => {
    const volumes = await openVolumes({ root, records: documents() });
    for (const name of ["", "..", "a/b", "../x", ".hidden", "a\0b", "x".repeat(256)])
      await assert.rejects(volumes.ensure({ name }), (error) => isPlyError(error, "invalid"), name);
    assert.deepEqual(readdirSync(join(root, "volumes")), []);
  });

  test("an empty volume takes the image's files, links as links; a filled one is left alone", async () => {
    const volumes = await openVolumes({ root, records: documents() });
    const source = join(root, "image");
    mkdirSync(join(source, "sub"), { recursive: true, mode: 0o750 });
    writeFileSync(join(source, "sub/file"), "from the image");
    symlinkSync("/etc/passwd", join(source, "link"));
    const { path } = await volumes.ensure({ name: "fresh" });
    await volumes.populate("fresh", source);
    assert.equal(readFileSync(join(path, "sub/file"), "utf8"), "from the image");
    assert.deepEqual(readdirSync(path).sort(), ["link", "sub"]);
    rmSync(join(path, "link"));
    await volumes.populate("fresh", source);
    assert.equal(existsSync(join(path, "link")), false);
    await volumes.populate("fresh", join(root, "absent"));
    await volumes.remove("fresh");
  });

  test("prune takes what nobody uses, named volumes only when told, and says what it freed", async () => {
    const told: string[] = [];
    const events = {
      emit: ({ type, action, actor }: Omit<EngineEvent, "timeNano">) =>
        told.push(`${type} ${action} ${actor.id}`),
    };
    const volumes = await openVolumes({ root, records: documents(), events });
    const anonymous = await volumes.ensure({});
    const named = await volumes.ensure({ name: "named", labels: { keep: "no" } });
    await volumes.ensure({ name: "kept", labels: { keep: "yes" } });
    const busy = await volumes.ensure({ name: "busy" });
    volumes.retain("busy", "c1");
    mkdirSync(join(named.path, "sub"));
    writeFileSync(join(named.path, "sub/a"), "12345");
    linkSync(join(named.path, "sub/a"), join(named.path, "b"));
    writeFileSync(join(anonymous.path, "x"), "123");
    assert.equal(await volumes.sizeOf("named"), 5);

    assert.deepEqual(await volumes.prune({ all: false }), { removed: [anonymous.name], bytesReclaimed: 3 });
    const matches = ({ labels }: VolumeRecord) => labels["keep"] !== "yes";
    assert.deepEqual(await volumes.prune({ all: true, matches }), { removed: ["named"], bytesReclaimed: 5 });
    assert.deepEqual(
      volumes.list().map(({ name }) => name),
      ["kept", "busy"],
    );
    assert.ok(existsSync(busy.path));
    assert.deepEqual(told, [
      ...[anonymous.name, "named", "kept", "busy"].map((name) => `volume create ${name}`),
      ...[anonymous.name, "named"].map((name) => `volume destroy ${name}`),
    ]);
    volumes.release("busy", "c1");
    await volumes.prune({ all: true });
    assert.deepEqual(readdirSync(join(root, "volumes")), []);
  });
});
