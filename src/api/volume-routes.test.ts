import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { VolumeOptions, VolumePruneOptions, VolumeRecord, Volumes } from "../volume/index.ts";
import { NOW, testApi } from "./testing/index.ts";

const volume = (name: string, labels: Readonly<Record<string, string>> = {}): VolumeRecord => ({
  name,
  createdAt: NOW,
  labels,
  anonymous: false,
  path: `/var/lib/ply/volumes/${name}/_data`,
});

const LIST = [volume("web-data", { team: "web" }), volume("cache")];

function volumes(more: Partial<Volumes> = {}): Partial<Volumes> {
  return {
    list: () => LIST,
    get: (name) => {
      const found = LIST.find((each) => each.name === name);
      if (found === undefined) throw new PlyError("not-found", `get ${name}: no such volume`);
      return found;
    },
    usersOf: (name) => (name === "cache" ? ["c1"] : []),
    sizeOf: async () => 42,
    ...more,
  };
}

const query = (filters: object): string => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

describe("volumes", () => {
  test("are listed by name, with Docker's filters", async () => {
    await using api = await testApi({ volumes: volumes() });
    const names = async (filters: object): Promise<unknown> => {
      const answer = await api.call("GET", `/v1.43/volumes?${query(filters)}`);
      assert.equal(answer.status, 200);
      return (answer.json() as { Volumes: { Name: string }[] }).Volumes.map(({ Name }) => Name);
    };
    assert.deepEqual(await names({}), ["cache", "web-data"]);
    assert.deepEqual(await names({ dangling: ["true"] }), ["web-data"]);
    assert.deepEqual(await names({ dangling: ["false"] }), ["cache"]);
    assert.deepEqual(await names({ label: ["team=web"] }), ["web-data"]);
    assert.deepEqual(await names({ name: ["web"], driver: ["local"] }), ["web-data"]);
    assert.deepEqual(await names({ driver: ["nfs"] }), []);
    assert.equal((await api.call("GET", `/v1.43/volumes?${query({ foo: ["x"] })}`)).status, 400);
  });

  test("are made with name and labels, and shown as Docker shows them", async () => {
    const made: VolumeOptions[] = [];
    const ensure = async (options: VolumeOptions) => {
      made.push(options);
      return volume(options.name ?? "random", options.labels);
    };
    await using api = await testApi({ volumes: volumes({ ensure }) });
    const answer = await api.call("POST", "/v1.43/volumes/create", {
      body: { Name: "data", Labels: { a: "b" } },
    });
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.json(), {
      CreatedAt: "2026-11-21T12:00:00.000000000Z",
      Driver: "local",
      Labels: { a: "b" },
      Mountpoint: "/var/lib/ply/volumes/data/_data",
      Name: "data",
      Options: null,
      Scope: "local",
    });
    await api.call("POST", "/v1.43/volumes/create", { body: {} });
    const DriverOpts = { type: "tmpfs", device: "tmpfs" };
    await api.call("POST", "/v1.43/volumes/create", { body: { DriverOpts } });
    assert.deepEqual(made, [
      { name: "data", labels: { a: "b" } },
      { labels: {} },
      { labels: {}, options: DriverOpts },
    ]);
    for (const [body, expected] of [
      [{ Name: "x", Driver: "nfs" }, 404],
      [{ Name: "x", DriverOpts: { type: 1 } }, 400],
      [{ Name: 1 }, 400],
      [{ Labels: { a: 1 } }, 400],
    ] as const)
      assert.equal((await api.call("POST", "/v1.43/volumes/create", { body: body })).status, expected);
    assert.equal(made.length, 3);
  });

  test("one that is not there is not found, and forcing its removal is content with that", async () => {
    const removed: string[] = [];
    const remove = async (name: string) => {
      if (LIST.every((each) => each.name !== name))
        throw new PlyError("not-found", `get ${name}: no such volume`);
      removed.push(name);
    };
    await using api = await testApi({ volumes: volumes({ remove }) });
    const answer = await api.call("GET", "/v1.43/volumes/nope");
    assert.equal(answer.status, 404);
    assert.equal((answer.json() as { message: string }).message, "get nope: no such volume");
    assert.equal((await api.call("GET", "/v1.43/volumes/cache")).status, 200);
    assert.equal((await api.call("DELETE", "/v1.43/volumes/nope")).status, 404);
    assert.equal((await api.call("DELETE", "/v1.43/volumes/nope?force=1")).status, 204);
    assert.equal((await api.call("DELETE", "/v1.43/volumes/web-data")).status, 204);
    assert.deepEqual(removed, ["web-data"]);
  });

  test("a prune spares named ones from API 1.42 on unless told otherwise", async () => {
    const asked: VolumePruneOptions[] = [];
    const prune = async (options: VolumePruneOptions) => {
      asked.push(options);
      return { removed: ["x"], bytesReclaimed: 7 };
    };
    await using api = await testApi({ volumes: volumes({ prune }) });
    const answer = await api.call("POST", "/v1.43/volumes/prune");
    assert.deepEqual(answer.json(), { VolumesDeleted: ["x"], SpaceReclaimed: 7 });
    await api.call("POST", "/v1.41/volumes/prune");
    await api.call("POST", `/v1.43/volumes/prune?${query({ all: ["true"], "label!": ["team"] })}`);
    assert.deepEqual(
      asked.map(({ all }) => all),
      [false, true, true],
    );
    assert.deepEqual(
      LIST.map((each) => asked[2]?.matches?.(each)),
      [false, true],
    );
  });

  test("count in system df", async () => {
    await using api = await testApi({ volumes: volumes() });
    const answer = await api.call("GET", "/v1.43/system/df?type=volume");
    const usage = (answer.json() as { Volumes: { Name: string; UsageData: unknown }[] }).Volumes;
    assert.deepEqual(
      usage.map(({ Name, UsageData }) => [Name, UsageData]),
      [
        ["web-data", { Size: 42, RefCount: 0 }],
        ["cache", { Size: 42, RefCount: 1 }],
      ],
    );
  });
});
