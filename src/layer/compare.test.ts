import assert from "node:assert/strict";
import { test } from "node:test";
import { compareLayers } from "./compare.ts";
import type { LayerEntry } from "./entry.ts";

const entry = (path: string, fields: Partial<LayerEntry> = {}): LayerEntry => ({
  path,
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSeconds: 1,
  mtimeNanos: 0,
  size: 1,
  offset: 512,
  linkTarget: "",
  rdevMajor: 0,
  rdevMinor: 0,
  xattrs: new Map(),
  ...fields,
});
const compare = async (before: readonly LayerEntry[], after: readonly LayerEntry[], isSame = true) =>
  (await compareLayers({ entries: before }, { entries: after }, async () => isSame)).map(
    ({ path, what }) => `${path} ${String(what)}`,
  );

test("layers are compared by what entries say and hold, also what they delete, and by their order", async () => {
  const [a, b, c] = [entry("a"), entry("b"), entry("c", { type: "whiteout" })];
  assert.deepEqual(await compare([a, b, c], [a, { ...b, offset: 1024 }, c]), []);
  assert.deepEqual(await compare([a, b], [a, b], false), ["a content", "b content"]);
  assert.deepEqual(await compare([a, b, c], [b, a, c]), ["b order"]);
  assert.deepEqual(await compare([a, b], [{ ...a, mode: 0o600, mtimeNanos: 1 }, c]), [
    "a mode,mtime",
    "b deleted",
    "c added",
  ]);
  const directory = entry("d", { type: "directory" });
  const opaque = entry("d", { type: "opaque" });
  assert.deepEqual(await compare([directory, opaque], [directory]), ["d deleted"]);
});
