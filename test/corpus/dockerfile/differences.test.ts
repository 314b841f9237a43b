import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { differencesTable } from "./differences.ts";
import { CASES } from "./index.ts";

const PAGE = join(import.meta.dirname, "../../../docs/dockerfile.md");
const HEADING = "## Where builders differ\n";

test("docs/dockerfile.md says where builders differ", () => {
  const text = readFileSync(PAGE, "utf8");
  const page = `${text.slice(0, text.indexOf(HEADING) + HEADING.length)}\n${differencesTable(CASES)}`;
  if (process.env["UPDATE"] !== undefined) writeFileSync(PAGE, page);
  assert.equal(readFileSync(PAGE, "utf8"), page);
});

test("no two cases have one name, and what BuildKit does otherwise has an expectation of its own", () => {
  const names = CASES.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name, n) => names.indexOf(name) !== n),
    [],
  );
  const unsaid = CASES.filter(
    ({ differs, tree, config, fails }) =>
      differs?.buildkit !== undefined && (tree ?? config ?? fails) === undefined,
  );
  assert.deepEqual(
    unsaid.map(({ name }) => name),
    [],
  );
});
