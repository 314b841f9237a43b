import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isPlyError } from "../error.ts";
import { subordinateMap, subordinateRanges } from "./subordinate-ids.ts";

const dir = mkdtempSync(join(tmpdir(), "ply-subid-"));
after(() => rmSync(dir, { recursive: true, force: true }));
const write = (name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const files = {
  passwd: write("passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"),
  group: write("group", "staff:x:50:\nann:x:1000:\n"),
  subuid: write("subuid", "# note\nann:100000:65536\n1000:300000:1000\nbad:x:1\nbig:4294967290:100\n"),
  subgid: write("subgid", "ann:200000:65536\nstaff:500000:10\n"),
};

test("a user's ranges, by name or number, one after the other", async () => {
  const uids = [
    { inside: 0, outside: 100_000, size: 65_536 },
    { inside: 65_536, outside: 300_000, size: 1000 },
  ];
  assert.deepEqual(subordinateMap("ann", files), {
    uids,
    gids: [{ inside: 0, outside: 200_000, size: 65_536 }],
  });
  assert.deepEqual(subordinateMap("1000:staff", files), {
    uids,
    gids: [{ inside: 0, outside: 500_000, size: 10 }],
  });
  assert.deepEqual(subordinateRanges("staff", files), {
    uids: [],
    gids: [{ start: 500_000, size: 10 }],
  });
});

test("who has none is told so in Docker's words", () => {
  for (const owner of ["root", "nobody-here", "big", "ann:root"])
    assert.throws(
      () => subordinateMap(owner, files),
      (error) => isPlyError(error, "invalid") && /no sub[ug]id ranges found for user/.test(error.message),
    );
});
