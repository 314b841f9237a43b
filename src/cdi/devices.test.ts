import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isPlyError } from "../error.ts";
import { isCdiName, readCdiDevices } from "./devices.ts";

const home = mkdtempSync(join(tmpdir(), "ply-cdi-"));
after(() => rmSync(home, { recursive: true, force: true }));

let directories = 0;
/** A directory of specification files; devices are told by the variable each sets. */
const written = (files: Readonly<Record<string, unknown>>): string => {
  const directory = join(home, String(directories++));
  mkdirSync(directory);
  for (const [name, spec] of Object.entries(files))
    writeFileSync(join(directory, name), typeof spec === "string" ? spec : JSON.stringify(spec));
  return directory;
};
const spec = (env: string, names: readonly string[], kind = "vendor.com/card") => ({
  cdiVersion: "0.6.0",
  kind,
  containerEdits: { env: [`ALL=${env}`] },
  devices: names.map((name) => ({ name, containerEdits: { env: [`${name}=${env}`] } })),
});

test("what is meant by a path, and what by a device's name", () => {
  for (const name of ["vendor.com/card=0", "a/b=c", "nvidia.com/gpu=all"]) assert.ok(isCdiName(name), name);
  for (const name of ["/dev/x", "/dev/x=y", "x=y", "a/b", "a/b=", "/a/b=c", "dev/x:y"])
    assert.ok(!isCdiName(name), name);
});

test("later directories go before; what is for a kind counts once; JSON and YAML", async () => {
  const first = written({ "a.json": spec("one", ["x", "y"]), "ignored.txt": "{" });
  const yaml =
    'cdiVersion: "0.6.0"\nkind: vendor.com/card\ndevices:\n- name: y\n  containerEdits:\n    env: [y=two]\n';
  const { devices, editsOf } = await readCdiDevices([
    first,
    written({ "b.yaml": yaml }),
    join(home, "absent"),
  ]);
  assert.deepEqual(
    devices.map(({ name }) => name),
    ["vendor.com/card=x", "vendor.com/card=y"],
  );
  assert.deepEqual(editsOf(["vendor.com/card=x", "vendor.com/card=y"]).env, ["ALL=one", "x=one", "y=two"]);
  const both = await readCdiDevices([first]);
  assert.deepEqual(both.editsOf(["vendor.com/card=y", "vendor.com/card=x"]).env, [
    "ALL=one",
    "y=one",
    "x=one",
  ]);
});

test("what is disputed or broken cannot be had, and it is said why", async () => {
  const bad: Readonly<Record<string, unknown>> = {
    "bad1.json": "{",
    "bad2.json": { cdiVersion: "0.6.0", kind: "no kind", devices: [] },
    "bad3.json": { cdiVersion: "0.6.0", kind: "a.b/c", devices: [{ name: "-x" }] },
    "bad4.json": {
      cdiVersion: "0.6.0",
      kind: "a.b/c",
      containerEdits: { hooks: [{ hookName: "never", path: "/x" }] },
    },
  };
  const directory = written({ "a.json": spec("one", ["x"]), "b.json": spec("two", ["x", "z"]), ...bad });
  const { devices, editsOf } = await readCdiDevices([directory]);
  assert.deepEqual(
    devices.map(({ name }) => name),
    ["vendor.com/card=z"],
  );
  assert.throws(
    () => editsOf(["vendor.com/card=z", "vendor.com/card=x", "a/b=c"]),
    (error) =>
      isPlyError(error, "invalid") &&
      error.message.endsWith("unresolvable CDI devices vendor.com/card=x, a/b=c") &&
      [...Object.keys(bad), "several files describe vendor.com/card=x"].every((each) =>
        error.hint?.includes(each),
      ),
  );
});
