import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createDetachWatch } from "../session/detach.ts";
import { parseDetachKeys } from "../session/index.ts";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

describe("other commands about containers", () => {
  const container = {
    Id: "c".repeat(64),
    Names: ["/web"],
    Image: "debian:12",
    ImageID: "sha256:1",
    Command: "sh -c 'a very long command line'",
    Created: Math.floor(Date.now() / 1000) - 120,
    Ports: [
      { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
      { PrivatePort: 443, Type: "tcp" },
    ],
    Labels: { team: "web" },
    State: "running",
    Status: "Up 2 minutes",
    HostConfig: { NetworkMode: "none" },
    NetworkSettings: { Networks: { none: {} } },
    Mounts: [],
    SizeRw: 1234,
    SizeRootFs: 5_000_000,
  };

  test("ps is Docker's table", async () => {
    await using engine = await startFakeEngine({ "GET /containers/json": { json: [container] } });
    const { stdout } = await runPly(["ps", "-a", "-s"], { engine });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "CONTAINER ID   IMAGE       COMMAND                  CREATED         STATUS         PORTS                           NAMES     SIZE",
      `cccccccccccc   debian:12   "sh -c 'a very long …"   2 minutes ago   Up 2 minutes   0.0.0.0:8080->80/tcp, 443/tcp   web       1.23kB (virtual 5MB)`,
    ]);
    assert.equal(engine.requests[0]?.query.get("size"), "1");
    const formatted = await runPly(["ps", "-n", "2", "--format", '{{.Names}} {{.Label "team"}}'], { engine });
    assert.equal(formatted.stdout, "web web\n");
    assert.deepEqual(
      ["all", "limit", "size"].map((name) => engine.requests[1]?.query.get(name)),
      ["1", "2", null],
    );
  });

  test("rm, stop, kill, wait and start do all they are given and report each error", async () => {
    await using engine = await startFakeEngine({
      "DELETE /containers/a": { status: 204, json: null },
      "POST /containers/a/stop": { status: 304, json: null },
      "POST /containers/a/kill": { status: 204, json: null },
      "POST /containers/a/start": { status: 204, json: null },
      "POST /containers/a/wait": { json: { StatusCode: 7 } },
    });
    const both = await runPly(["rm", "a", "b"], { engine });
    assert.equal(both.stdout, "a\n");
    assert.equal(both.code, 1);
    assert.deepEqual((await runPly(["rm", "-f", "b"], { engine })).code, 0);
    assert.equal((await runPly(["stop", "-t", "3", "a"], { engine })).stdout, "a\n");
    assert.equal((await runPly(["kill", "-s", "HUP", "a"], { engine })).stdout, "a\n");
    assert.equal((await runPly(["start", "a"], { engine })).stdout, "a\n");
    assert.equal((await runPly(["wait", "a"], { engine })).stdout, "7\n");
    const query = (path: string): string | undefined =>
      engine.requests.find((request) => request.path === path)?.query.toString();
    assert.equal(query("/containers/a/stop"), "t=3");
    assert.equal(query("/containers/a/kill"), "signal=HUP");
  });

  test("diff and commit", async () => {
    await using engine = await startFakeEngine({
      "GET /containers/a/changes": {
        json: [
          { Path: "/etc", Kind: 0 },
          { Path: "/etc/new", Kind: 1 },
          { Path: "/etc/old", Kind: 2 },
        ],
      },
      "POST /commit": { status: 201, json: { Id: "sha256:new" } },
    });
    assert.equal((await runPly(["diff", "a"], { engine })).stdout, "C /etc\nA /etc/new\nD /etc/old\n");
    const { stdout } = await runPly(
      ["commit", "-m", "why", "-a", "me", "-c", "CMD x", "-c", "ENV a=b", "a", "b:2"],
      { engine },
    );
    assert.equal(stdout, "sha256:new\n");
    const { query } = engine.requests[1] ?? assert.fail();
    assert.equal(
      query.toString(),
      "container=a&repo=b&tag=2&author=me&comment=why&changes=CMD+x&changes=ENV+a%3Db",
    );
  });

  test("attach refuses a stopped container", async () => {
    await using engine = await startFakeEngine({
      "GET /containers/a/json": { json: { Id: "a", Config: { Tty: false }, State: { Running: false } } },
    });
    const { code, stderr } = await runPly(["attach", "a"], { engine });
    assert.equal(code, 1);
    assert.match(stderr, /stopped container/);
  });

  test("detach keys", () => {
    assert.deepEqual([...parseDetachKeys("ctrl-p,ctrl-q")], [0x10, 0x11]);
    assert.deepEqual([...parseDetachKeys("a,ctrl-@,ctrl-_")], [0x61, 0, 0x1f]);
    for (const wrong of ["", "ctrl-", "ctrl-ä", "ab"])
      assert.throws(() => parseDetachKeys(wrong), /invalid detach keys/);
    const watch = createDetachWatch(parseDetachKeys("ctrl-p,ctrl-q"));
    watch.see(Uint8Array.of(0x10, 0x41, 0x10, 0x10));
    assert.equal(watch.pressed, false);
    watch.see(Uint8Array.of(0x11));
    assert.equal(watch.pressed, true);
  });
});
