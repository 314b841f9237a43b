import assert from "node:assert/strict";
import { test } from "node:test";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const WORKS = { area: "programs", name: "conmon", state: "works", found: "/usr/bin/conmon 2.1.6" };
const LIMITED = {
  area: "cgroups",
  name: "memory",
  state: "limited",
  found: "not mounted",
  cost: "-m is discarded",
  cure: "mount it",
};

test("doctor: what is there, then what is missing with its cost and its cure", async () => {
  await using engine = await startFakeEngine({
    "GET /ply/doctor": { json: { ok: true, checks: [WORKS, LIMITED] } },
  });
  const { code, stdout } = await runPly(["doctor"], { engine });
  assert.equal(code, 0);
  assert.deepEqual(stdout.split("\n").slice(1), [
    "programs   conmon    ok        /usr/bin/conmon 2.1.6",
    "cgroups    memory    limited   not mounted",
    "",
    "memory: not mounted",
    "  costs: -m is discarded",
    "  cure:  mount it",
    "",
    "Containers run here; one thing is limited.",
    "",
  ]);
  const json = await runPly(["doctor", "--format", "json"], { engine });
  assert.deepEqual(JSON.parse(json.stdout), { ok: true, checks: [WORKS, LIMITED] });
});

test("doctor: without an engine it says why, and looks itself", async () => {
  await using engine = await startFakeEngine({
    "GET /ply/doctor": {
      status: 500,
      json: { message: "conmon was not found in $PATH", hint: "apt-get install conmon" },
    },
  });
  const { code, stdout, stderr } = await runPly(["doctor"], { engine });
  assert.equal(code, 1);
  assert.match(stdout, /^engine +engine +BROKEN +conmon was not found in \$PATH$/m);
  assert.match(stdout, /cure: {2}apt-get install conmon/);
  assert.match(stdout, /\nContainers do not run here\.\n$/);
  assert.equal(stderr, "Error: containers do not run here\n");
});
