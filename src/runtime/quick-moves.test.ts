import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseMountinfo } from "../linux/index.ts";
import { favorQuickMoves, hasQuickMoves } from "./quick-moves.ts";

const V1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu";

describe("quick moves into cgroups", () => {
  test("nothing is changed where there is no cgroup2", () => {
    assert.deepEqual(favorQuickMoves(true, parseMountinfo(V1)), { isQuick: false, words: [] });
    assert.equal(hasQuickMoves(parseMountinfo(V1)), false);
  });

  test("nor where it is so already", () => {
    const text = `${V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate,favordynmods`;
    assert.deepEqual(favorQuickMoves(true, parseMountinfo(text)), { isQuick: true, words: [] });
    assert.equal(hasQuickMoves(parseMountinfo(text)), true);
  });

  test("nor where it is not wanted", () => {
    const text = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
    assert.deepEqual(favorQuickMoves(false, parseMountinfo(text)), { isQuick: false, words: [] });
  });

  test("a host that refuses goes on without", () => {
    const text = "41 31 0:38 / /no/such/mount rw,relatime - cgroup2 cgroup2 rw,nsdelegate";
    assert.deepEqual(favorQuickMoves(true, parseMountinfo(text)), { isQuick: false, words: [] });
  });
});
