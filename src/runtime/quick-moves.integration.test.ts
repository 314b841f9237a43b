import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountinfo } from "../linux/index.ts";
import { favorQuickMoves, hasQuickMoves } from "./quick-moves.ts";

const skip =
  process.versions["bun"] === undefined
    ? "system calls need Bun"
    : process.getuid?.() !== 0
      ? "the host's cgroups need root"
      : false;

test("the host's cgroups move at once when that is wanted, and it is said", { skip }, () => {
  // As if it were not set: nothing takes it back once it is.
  const before = parseMountinfo().map((mount) => ({
    ...mount,
    superOptions: mount.superOptions.filter((option) => option !== "favordynmods"),
  }));
  const { isQuick, words } = favorQuickMoves(true, before);
  assert.deepEqual([isQuick, words.length, hasQuickMoves()], [true, 1, true]);
  assert.match(words[0] ?? "", /for the whole host until it reboots.*--cgroup-favordynmods=false/);
});
