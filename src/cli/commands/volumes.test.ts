import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const DATA = {
  CreatedAt: "2026-11-21T12:00:00Z",
  Driver: "local",
  Labels: { team: "web" },
  Mountpoint: "/var/lib/ply/volumes/data/_data",
  Name: "data",
  Options: null,
  Scope: "local",
};

describe("volume commands", () => {
  test("create prints the name, ls and inspect show it", async () => {
    await using engine = await startFakeEngine({
      "POST /volumes/create": { json: DATA },
      "GET /volumes": { json: { Volumes: [DATA], Warnings: [] } },
      "GET /volumes/data": { json: DATA },
    });
    const run = async (...words: string[]) => (await runPly(["volume", ...words], { engine })).stdout;
    assert.equal(await run("create", "--label", "team=web", "data"), "data\n");
    assert.deepEqual(JSON.parse(engine.requests.at(-1)?.body ?? ""), {
      Name: "data",
      Driver: "local",
      Labels: { team: "web" },
    });
    assert.equal(await run("ls"), "DRIVER    VOLUME NAME\nlocal     data\n");
    assert.equal(await run("ls", "-q"), "data\n");
    assert.equal(
      await run("ls", "--format", '{{.Name}} {{.Label "team"}} {{.Labels}}'),
      "data web team=web\n",
    );
    assert.equal(await run("inspect", "-f", "{{.Mountpoint}}", "data"), `${DATA.Mountpoint}\n`);
  });

  test("prune asks first, tells the engine what is meant and says what went", async () => {
    await using engine = await startFakeEngine({
      "POST /volumes/prune": { json: { VolumesDeleted: ["data"], SpaceReclaimed: 2000 } },
    });
    const refused = await runPly(["volume", "prune"], { engine, input: ["n\n"] });
    assert.match(refused.stdout, /all anonymous volumes not used .* \[y\/N\] Nothing was removed\.\n$/s);
    assert.equal(engine.requests.length, 0);
    const { stdout } = await runPly(["volume", "prune", "-f", "-a", "--filter", "label!=keep"], { engine });
    assert.equal(stdout, "Deleted Volumes:\ndata\n\nTotal reclaimed space: 2kB\n");
    assert.deepEqual(JSON.parse(engine.requests[0]?.query.get("filters") ?? ""), {
      "label!": ["keep"],
      all: ["true"],
    });
  });
});
