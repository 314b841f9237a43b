import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CATALOGUE } from "./catalogue.ts";

test("docs/cli.md names every command", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
  const missing = CATALOGUE.map(({ names }) => names[0]).filter((name) => !text.includes(`\`${name}`));
  assert.deepEqual(missing, []);
});
