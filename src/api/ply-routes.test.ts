import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { PruneOptions } from "../image/index.ts";
import { canonicalString, parseImageId } from "../oci/index.ts";
import { VERSION } from "../version.ts";
import { testApi } from "./testing/client.ts";
import { NOW } from "./testing/fake-engine.ts";

const ID = parseImageId(`sha256:${"1".repeat(64)}`);

describe("ply's own routes", () => {
  test("a pull of all tags names each of them", async () => {
    await using api = await testApi({
      images: {
        pullAllTags: async () =>
          ["1", "2"].map((tag) => ({ id: ID, digest: "sha256:2", changed: tag === "2", tag })),
      },
    });
    const answer = await api.call("POST", "/v1.43/ply/images/pull", {
      body: { references: ["localhost:5000/app"], allTags: true },
    });
    assert.deepEqual(answer.lines(), [
      ...["1", "2"].map((tag) => ({
        type: "pulled",
        reference: "localhost:5000/app",
        name: `localhost:5000/app:${tag}`,
        id: ID,
        digest: "sha256:2",
        changed: tag === "2",
      })),
      { type: "done" },
    ]);
  });

  test("several images in one pull: each with its own end, credentials by registry", async () => {
    const given = new Map<string, unknown>();
    await using api = await testApi({
      images: {
        pull: async (reference, options) => {
          const name = canonicalString(reference);
          given.set(name, options?.credentials);
          if (name.includes("broken")) throw new PlyError("corrupt", "wrong digest", { hint: "pull again" });
          options?.onProgress?.({
            kind: "total",
            bytesDone: 1,
            bytesTotal: 2,
            layersDone: 0,
            layersTotal: 1,
            bytesPerSecond: 3,
            secondsLeft: undefined,
          });
          return { id: ID, digest: "sha256:2", changed: true };
        },
      },
    });
    const config = {
      "https://index.docker.io/v1/": { username: "hub", password: "p" },
      "localhost:5000": { identitytoken: "t" },
    };
    const answer = await api.call("POST", "/v1.43/ply/images/pull", {
      body: { references: ["alpine", "localhost:5000/broken:1"] },
      headers: { "X-Registry-Config": Buffer.from(JSON.stringify(config)).toString("base64url") },
    });
    assert.equal(answer.headers["content-type"], "application/x-ndjson");
    const lines = answer.lines();
    const of = (reference: string) =>
      lines.filter((line) => (line as { reference?: string }).reference === reference);
    assert.deepEqual(of("alpine"), [
      {
        type: "progress",
        reference: "alpine",
        progress: {
          kind: "total",
          bytesDone: 1,
          bytesTotal: 2,
          layersDone: 0,
          layersTotal: 1,
          bytesPerSecond: 3,
        },
      },
      {
        type: "pulled",
        reference: "alpine",
        name: "alpine:latest",
        id: ID,
        digest: "sha256:2",
        changed: true,
      },
    ]);
    assert.deepEqual(of("localhost:5000/broken:1"), [
      {
        type: "error",
        reference: "localhost:5000/broken:1",
        error: { message: "wrong digest", kind: "corrupt", hint: "pull again" },
      },
    ]);
    assert.deepEqual(lines.at(-1), { type: "done" });
    assert.deepEqual(given.get("docker.io/library/alpine:latest"), { username: "hub", password: "p" });
    assert.deepEqual(given.get("localhost:5000/broken:1"), { identityToken: "t" });
  });

  test("a pull that cannot be is refused before it begins", async () => {
    await using api = await testApi();
    for (const body of [
      {},
      { references: [] },
      { references: ["UPPER"] },
      { references: ["a"], platform: 1 },
    ])
      assert.equal((await api.call("POST", "/ply/images/pull", { body })).status, 400, JSON.stringify(body));
  });

  test("push and load end with done or with an error", async () => {
    let fails = false;
    await using api = await testApi({
      images: {
        push: async (reference) => {
          if (fails) throw new PlyError("denied", "no");
          return { tag: reference.tag ?? "", digest: "sha256:3", size: 4 };
        },
        load: async (_, options) => {
          options?.onProgress?.({ kind: "layer", id: "aa", status: "Loading", current: 1, total: 1 });
          if (fails) throw new PlyError("corrupt", "not a tar");
          return [{ id: ID }];
        },
      },
    });
    const push = () => api.call("POST", "/ply/images/push", { body: { reference: "a/b" } });
    const load = () => api.call("POST", "/ply/images/load", { body: "tar" });
    assert.deepEqual((await push()).lines(), [
      { type: "pushed", tag: "latest", digest: "sha256:3", size: 4 },
      { type: "done" },
    ]);
    assert.deepEqual((await load()).lines().slice(1), [{ type: "loaded", id: ID }, { type: "done" }]);
    fails = true;
    assert.equal((await push()).status, 403);
    const broken = await load();
    assert.equal(broken.status, 200);
    assert.deepEqual(broken.lines().at(-1), {
      type: "error",
      error: { message: "not a tar", kind: "corrupt" },
    });
  });

  test("info, images, layers, history, disk usage, phases", async () => {
    await using api = await testApi();
    const get = async (path: string) =>
      (await api.call("GET", `/ply/${path}`)).json() as Record<string, unknown>;
    const info = await get("info");
    assert.deepEqual([info["version"], info["pid"], info["startedAt"]], [VERSION, process.pid, NOW]);
    const images = (await get("images")) as unknown as Record<string, unknown>[];
    assert.deepEqual(images[0]?.["sizes"], {
      total: 5_000_000,
      unique: 1_000_000,
      shared: 4_000_000,
      compressed: 2_000_000,
    });
    assert.deepEqual(images[1]?.["names"], ["localhost:5000/team/app:v1"]);
    await get(`images?filters=${encodeURIComponent('{"used-until":["1h"]}')}`);
    assert.deepEqual(api.engine.lastFilter.value, { until: { at: NOW - 3_600_000, clock: "used" } });
    const layers = await get("images/localhost:5000/team/app:v1/layers");
    assert.equal((layers["layers"] as unknown[]).length, 1);
    const [row] = (await get("images/alpine/history")) as unknown as Record<string, unknown>[];
    assert.deepEqual(row?.["tags"], ["alpine:latest"]);
    const usage = await get("system/df");
    assert.deepEqual((usage["containers"] as unknown[])[0], {
      id: api.engine.containerList[0]?.id,
      name: "web",
      image: "alpine",
      status: "running",
      size: 4096,
    });
    assert.deepEqual(await get("containers/web/phases"), { prepare: 3, start: 20 });
  });

  test("prune: every wish reaches the engine, wrong ones are named", async () => {
    const asked: PruneOptions[] = [];
    await using api = await testApi({
      images: {
        prune: async (options) => {
          asked.push(options);
          return { removed: [{ untagged: "x:y" }], bytesReclaimed: 1 };
        },
      },
    });
    const prune = (body: unknown) => api.call("POST", "/ply/images/prune", { body });
    const wishes = {
      all: true,
      dryRun: true,
      unusedForMs: 1,
      keep: 0,
      maxSize: 20e9,
      filter: { dangling: false, labels: ["a"], before: "x", until: { at: 5, clock: "used" } },
    };
    assert.deepEqual((await prune(wishes)).json(), { removed: [{ untagged: "x:y" }], bytesReclaimed: 1 });
    await prune(undefined);
    assert.deepEqual(asked, [wishes, { filter: {}, all: false, dryRun: false }]);
    for (const [body, name] of [
      [{ keep: -1 }, "keep"],
      [{ maxSize: 1.5 }, "maxSize"],
      [{ all: "yes" }, "all"],
      [{ filter: { until: { at: 1, clock: "wall" } } }, "clock"],
      [{ filter: { labels: [1] } }, "filter.labels"],
    ] as const) {
      const answer = await prune(body);
      assert.equal(answer.status, 400);
      assert.ok(answer.text.includes(name), answer.text);
    }
  });

  test("check, tags and catalog", async () => {
    const repairs: boolean[] = [];
    await using api = await testApi({
      check: async ({ repair }) => {
        repairs.push(repair);
        return { problems: [], layersVerified: 1, blobsVerified: 2, bytesFreed: 3 };
      },
      registry: {
        tags: async (reference) => [`${reference.path}:a`],
        catalog: async () => ["r"],
      },
    });
    const checked = await api.call("POST", "/ply/system/check?repair=1");
    assert.deepEqual(checked.json(), { problems: [], layersVerified: 1, blobsVerified: 2, bytesFreed: 3 });
    await api.call("POST", "/ply/system/check");
    assert.deepEqual(repairs, [true, false]);
    assert.deepEqual((await api.call("GET", "/ply/registry/tags?name=localhost:5000/x")).json(), {
      name: "localhost:5000/x",
      tags: ["x:a"],
    });
    assert.deepEqual((await api.call("GET", "/ply/registry/catalog?host=h:1")).json(), {
      host: "h:1",
      repositories: ["r"],
    });
  });
});
