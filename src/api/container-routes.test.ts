import assert from "node:assert/strict";
import { request } from "node:http";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { CommitOptions } from "../image/index.ts";
import { parseImageId } from "../oci/index.ts";
import { testApi } from "./testing/client.ts";
import { fakeContainer } from "./testing/fake-engine.ts";

const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

describe("container routes", () => {
  test("the list shows what runs, all of them, the newest, those that fit", async () => {
    await using api = await testApi();
    api.engine.containerList.push(fakeContainer({ name: "fresh", status: "created" }));
    const names = async (query: string) => {
      const answer = await api.call("GET", `/containers/json?${query}`);
      assert.equal(answer.status, 200, answer.text);
      return (answer.json() as { Names: string[] }[]).flatMap((container) => container.Names);
    };
    assert.deepEqual(await names(""), ["/web"]);
    assert.deepEqual(await names("all=1"), ["/web", "/old", "/fresh"]);
    assert.deepEqual(await names("limit=1"), ["/web"]);
    assert.deepEqual(await names("limit=2"), ["/web", "/old"]);
    assert.deepEqual(await names(filters({ status: ["exited", "created"] })), ["/old", "/fresh"]);
    assert.deepEqual(await names(filters({ exited: ["3"] })), ["/old"]);
    assert.deepEqual(await names(`all=1&${filters({ name: ["^/?w"] })}`), ["/web"]);
    assert.deepEqual(await names(`all=1&${filters({ label: ["tier=old"] })}`), ["/old"]);
    assert.deepEqual(await names(filters({ since: ["fresh"] })), ["/web", "/old"]);
    assert.deepEqual(await names(filters({ before: ["old"] })), ["/fresh"]);
    assert.deepEqual(await names(`all=1&${filters({ ancestor: ["alpine:latest"] })}`), [
      "/web",
      "/old",
      "/fresh",
    ]);
    assert.deepEqual(await names(`all=1&${filters({ ancestor: ["other"] })}`), []);
    assert.deepEqual(await names(`all=1&${filters({ id: ["7765"], network: ["host"], volume: ["/srv"] })}`), [
      "/web",
    ]);
  });

  test("filter values that cannot be are refused", async () => {
    await using api = await testApi();
    for (const wrong of [
      { status: ["asleep"] },
      { exited: ["x"] },
      { name: ["("] },
      { name: ["(a+)+b"] },
      { what: ["x"] },
    ])
      assert.equal(
        (await api.call("GET", `/containers/json?all=1&${filters(wrong)}`)).status,
        400,
        JSON.stringify(wrong),
      );
    assert.equal((await api.call("GET", `/containers/json?${filters({ before: ["gone"] })}`)).status, 404);
  });

  test("a summary has Docker's fields", async () => {
    await using api = await testApi();
    const all = (await api.call("GET", "/containers/json?all=1&size=1")).json() as Record<string, unknown>[];
    const old = all[1];
    assert.equal(old?.["Status"], "Exited (3) 30 minutes ago");
    assert.equal(all[0]?.["Status"], "Up About an hour");
    assert.equal(old?.["Command"], "sleep 1 '2 words'");
    assert.equal(old?.["SizeRw"], 4096);
    assert.equal(old?.["SizeRootFs"], 5_004_096);
    assert.deepEqual(old?.["Mounts"], [
      { Type: "bind", Source: "/data", Destination: "/srv", Mode: "ro", RW: false, Propagation: "rprivate" },
      {
        Type: "volume",
        Name: "cache",
        Source: "/var/lib/ply/volumes/cache/_data",
        Driver: "local",
        Destination: "/cache",
        Mode: "",
        RW: true,
        Propagation: "",
      },
    ]);
  });

  test("create answers id and warnings", async () => {
    await using api = await testApi();
    const answer = await api.call("POST", "/containers/create?name=new", {
      body: {
        Image: "alpine",
        Cmd: ["true"],
        HostConfig: { Memory: 1, Links: ["a"], StorageOpt: { size: "1G" } },
      },
    });
    assert.equal(answer.status, 201);
    const { Id, Warnings } = answer.json() as { Id: string; Warnings: string[] };
    assert.equal(api.engine.containerList.find((container) => container.id === Id)?.name, "new");
    assert.equal(Warnings.length, 1);
    assert.deepEqual(api.engine.created[0]?.host.networks, [{ network: "bridge", links: ["a"] }]);
    assert.equal(api.engine.created[0]?.host.resources?.memory, 1);
  });

  test("start and stop: done, or done before", async () => {
    let did = true;
    await using api = await testApi({
      containers: {
        start: async () => did,
        stop: async (_, options) => {
          assert.deepEqual(options, { timeoutSeconds: 5, signal: "SIGINT" });
          return did;
        },
        kill: async (_, signal) => {
          if (signal !== "SIGKILL") throw new PlyError("conflict", "container is not running");
        },
      },
    });
    const statuses = async () => [
      (await api.call("POST", "/containers/web/start")).status,
      (await api.call("POST", "/containers/web/stop?t=5&signal=SIGINT")).status,
    ];
    assert.deepEqual(await statuses(), [204, 204]);
    did = false;
    assert.deepEqual(await statuses(), [304, 304]);
    assert.equal((await api.call("POST", "/containers/web/kill")).status, 204);
    assert.equal((await api.call("POST", "/containers/web/kill?signal=HUP")).status, 409);
  });

  test("a command that cannot run is a 400 whose words give the client 126 or 127", async () => {
    let exitCode = 127;
    await using api = await testApi({
      containers: {
        start: async () => {
          throw new PlyError("invalid", "crun: `nope` not found", { details: { exitCode } });
        },
      },
    });
    const start = async () => {
      const answer = await api.call("POST", "/containers/web/start");
      assert.equal(answer.status, 400);
      return (answer.json() as { message: string }).message;
    };
    assert.match(await start(), /executable file not found/);
    exitCode = 126;
    assert.match(await start(), /permission denied/);
  });

  test("wait answers its head at once, and the exit code when there is one", async () => {
    const exit = Promise.withResolvers<{ exitCode: number; error?: string }>();
    const conditions: string[] = [];
    await using api = await testApi({
      containers: {
        wait: (_, condition) => {
          conditions.push(condition);
          return exit.promise;
        },
      },
    });
    const waiting = await new Promise<{ status: number; body: Promise<string> }>((resolve, reject) => {
      request(
        { socketPath: api.socketPath, method: "POST", path: "/containers/web/wait?condition=next-exit" },
        (answer) => {
          const body = new Promise<string>((done) => {
            let text = "";
            answer.on("data", (chunk) => {
              text += String(chunk);
            });
            answer.on("end", () => done(text));
          });
          resolve({ status: answer.statusCode ?? 0, body });
        },
      )
        .on("error", reject)
        .end();
    });
    assert.equal(waiting.status, 200);
    assert.deepEqual(conditions, ["next-exit"]);
    exit.resolve({ exitCode: 7, error: "it broke" });
    assert.deepEqual(JSON.parse(await waiting.body), { StatusCode: 7, Error: { Message: "it broke" } });
    // Docker's client would print as a failure to wait what `start` has told it.
    const removed = await api.call("POST", "/containers/web/wait?condition=removed");
    assert.deepEqual(removed.json(), { StatusCode: 7 });
    assert.equal((await api.call("POST", "/containers/web/wait?condition=bored")).status, 400);
    assert.equal((await api.call("POST", "/containers/gone/wait")).status, 404);
  });

  test("changes, resize, remove", async () => {
    const resized: unknown[] = [];
    await using api = await testApi({
      containers: {
        changes: async () => [
          { path: "/a", kind: "modified" },
          { path: "/b", kind: "added" },
          { path: "/c", kind: "deleted" },
        ],
        resize: async (_, size) => void resized.push(size),
        remove: async (_, options) => {
          if (!options.force) throw new PlyError("conflict", "cannot remove a running container");
        },
      },
    });
    assert.deepEqual((await api.call("GET", "/containers/web/changes")).json(), [
      { Path: "/a", Kind: 0 },
      { Path: "/b", Kind: 1 },
      { Path: "/c", Kind: 2 },
    ]);
    assert.equal((await api.call("POST", "/containers/web/resize?h=24&w=80")).status, 200);
    assert.deepEqual(resized, [{ columns: 80, rows: 24 }]);
    assert.equal((await api.call("POST", "/containers/web/resize?h=-1&w=80")).status, 400);
    assert.equal((await api.call("DELETE", "/containers/web")).status, 409);
    assert.equal((await api.call("DELETE", "/containers/web?force=1&v=1")).status, 204);
  });

  test("commit: name, author, message, changes of the query and of the body", async () => {
    const asked: CommitOptions[] = [];
    const id = parseImageId(`sha256:${"9".repeat(64)}`);
    await using api = await testApi({
      containers: {
        commit: async (name, options) => {
          assert.equal(name, "web");
          asked.push(options);
          return id;
        },
      },
    });
    const answer = await api.call(
      "POST",
      "/commit?container=web&repo=mine&tag=v1&author=me&comment=hi&changes=USER+me",
      { body: { Cmd: ["x"] } },
    );
    assert.deepEqual([answer.status, answer.json()], [201, { Id: id }]);
    assert.equal((await api.call("POST", "/commit?container=web")).status, 201);
    assert.deepEqual(asked, [
      {
        reference: { domain: "docker.io", path: "library/mine", tag: "v1" },
        author: "me",
        comment: "hi",
        changes: ['CMD ["x"]', "USER me"],
      },
      { changes: [] },
    ]);
    assert.equal((await api.call("POST", "/commit")).status, 400);
  });

  test("what comes later says so, and what will not", async () => {
    await using api = await testApi();
    for (const [method, path, status, words] of [
      ["POST", "/swarm/init", 503, "This node is not a swarm manager."],
      ["GET", "/services/x/logs", 503, "This node is not a swarm manager."],
      ["POST", "/plugins/pull", 501, "no plugins"],
      ["POST", "/plugins/a/b/enable", 404, "not found"],
      ["GET", "/plugins/a/b/json", 404, "not found"],
      ["GET", "/volumes/v", 404, "no such volume"],
      ["GET", "/containers/registry.example/an/image:1/json", 404, "No such container"],
    ] as const) {
      const answer = await api.call(method, path);
      assert.equal(answer.status, status, path);
      assert.ok(answer.text.includes(words), answer.text);
    }
    assert.deepEqual((await api.call("GET", "/plugins")).json(), []);
  });
});
