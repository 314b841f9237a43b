import assert from "node:assert/strict";
import { request } from "node:http";
import { describe, test } from "node:test";
import type { CacheEntry } from "../build/index.ts";
import { PlyError } from "../error.ts";
import type { EngineEvent } from "../event/index.ts";
import type { Credentials } from "../registry/index.ts";
import { parseOsRelease } from "./host-facts.ts";
import { testApi } from "./testing/client.ts";

const event = (
  given: Partial<EngineEvent> & { id?: string; attributes?: Record<string, string> },
): EngineEvent => ({
  type: given.type ?? "image",
  action: given.action ?? "pull",
  actor: { id: given.id ?? "alpine:latest", attributes: given.attributes ?? { name: "alpine" } },
  timeNano: 1_764_000_000_123_456_789n,
});

describe("system routes", () => {
  test("version and info have what clients read", async () => {
    await using api = await testApi();
    const version = (await api.call("GET", "/version")).json() as Record<string, unknown>;
    assert.equal(version["ApiVersion"], "1.50");
    assert.equal(version["MinAPIVersion"], "1.24");
    assert.equal(version["Os"], "linux");
    const info = (await api.call("GET", "/info")).json() as Record<string, unknown>;
    for (const [field, type] of Object.entries({
      ServerVersion: "string",
      OperatingSystem: "string",
      OSType: "string",
      Architecture: "string",
      NCPU: "number",
      MemTotal: "number",
      Runtimes: "object",
      IndexServerAddress: "string",
      KernelVersion: "string",
      Name: "string",
    })) {
      assert.equal(typeof info[field], type, field);
      assert.ok(info[field], field);
    }
    assert.deepEqual(info["DriverStatus"], [
      ["Mode", "file-backed EROFS mounts"],
      ["Why", "the best that works here"],
    ]);
    assert.deepEqual([info["Images"], info["Containers"], info["ContainersRunning"]], [3, 2, 1]);
    assert.equal((info["Swarm"] as Record<string, unknown>)["LocalNodeState"], "inactive");
    assert.deepEqual(info["Warnings"], ["WARNING: no swap limit here"]);
  });

  test("login: good, bad, and where to", async () => {
    const asked: (readonly [string, Credentials])[] = [];
    await using api = await testApi({
      registry: {
        login: async (host, credentials) => {
          asked.push([host, credentials]);
          if (credentials.password !== "good") throw new PlyError("denied", "incorrect username or password");
          return { identityToken: "token" };
        },
      },
    });
    const login = (body: unknown) => api.call("POST", "/auth", { body });
    const good = await login({
      username: "u",
      password: "good",
      serveraddress: "https://index.docker.io/v1/",
    });
    assert.deepEqual(good.json(), { Status: "Login Succeeded", IdentityToken: "token" });
    const bad = await login({ username: "u", password: "bad", serveraddress: "localhost:5000" });
    assert.equal(bad.status, 401);
    assert.deepEqual(
      asked.map(([host]) => host),
      ["docker.io", "localhost:5000"],
    );
    assert.equal((await login("{")).status, 400);
  });

  test("disk usage: all, or the types asked for", async () => {
    const kept: CacheEntry = {
      ...{ id: "k1", type: "regular", description: "RUN make", parents: ["k0"] },
      ...{ isInUse: false, isShared: false, size: 7, createdAt: 0, lastUsedAt: 1000, useCount: 2 },
    };
    const cache = { entries: async () => [kept], prune: async () => ({ ids: [], bytesReclaimed: 0 }) };
    await using api = await testApi({ builder: { cache } });
    const all = (await api.call("GET", "/system/df")).json() as Record<string, unknown[]>;
    assert.deepEqual(all["BuildCache"], [
      {
        ...{ ID: "k1", Parents: ["k0"], Type: "regular", Description: "RUN make" },
        ...{ InUse: false, Shared: false, Size: 7, UsageCount: 2 },
        CreatedAt: "1970-01-01T00:00:00.000000000Z",
        LastUsedAt: "1970-01-01T00:00:01.000000000Z",
      },
    ]);
    const old = (await api.call("GET", "/v1.41/system/df?type=build-cache")).json() as Record<
      string,
      unknown
    >;
    assert.deepEqual([old["BuilderSize"], (old["BuildCache"] as { Parent: string }[])[0]?.Parent], [7, "k0"]);
    assert.equal(all["LayersSize"] as unknown, 1000);
    assert.deepEqual([all["Images"]?.length, all["Containers"]?.length, all["Volumes"]], [3, 2, []]);
    const image = all["Images"]?.[0] as Record<string, unknown>;
    assert.deepEqual([image["SharedSize"], image["Containers"]], [4_000_000, 1]);
    const some = (await api.call("GET", "/system/df?type=container")).json() as Record<string, unknown>;
    assert.equal(some["Images"], null);
    assert.equal((await api.call("GET", "/system/df?type=soup")).status, 400);
  });

  test("events are lines with exact times, in the form that was asked for", async () => {
    await using api = await testApi({ events: [event({})] });
    const answer = await api.call("GET", "/events?until=0s");
    assert.equal(
      answer.text,
      '{"status":"pull","id":"alpine:latest","Type":"image","Action":"pull","Actor":{"ID":"alpine:latest","Attributes":{"name":"alpine"}},"scope":"local","time":1764000000,"timeNano":1764000000123456789}\n',
    );
    const sequence = await api.call("GET", "/events?until=0s", {
      headers: { Accept: "application/json-seq" },
    });
    assert.equal(sequence.headers["content-type"], "application/json-seq");
    assert.equal(sequence.text, `\x1e${answer.text}`);
    assert.equal((await api.call("GET", "/events?since=soon")).status, 400);
  });

  test("event filters", async () => {
    await using api = await testApi({
      events: [
        event({}),
        event({
          type: "container",
          action: "exec_start: sh",
          id: "abc",
          attributes: { name: "web", image: "alpine", tier: "x" },
        }),
        event({ type: "container", action: "die", id: "def", attributes: { name: "db", image: "pg:1" } }),
      ],
    });
    const actions = async (filters: unknown) =>
      (await api.call("GET", `/events?until=0s&filters=${encodeURIComponent(JSON.stringify(filters))}`))
        .lines()
        .map((line) => (line as { Action: string }).Action);
    assert.deepEqual(await actions({ type: ["container"] }), ["exec_start: sh", "die"]);
    assert.deepEqual(await actions({ event: ["exec_start"] }), ["exec_start: sh"]);
    assert.deepEqual(await actions({ container: { web: true } }), ["exec_start: sh"]);
    assert.deepEqual(await actions({ container: ["de"] }), ["die"]);
    assert.deepEqual(await actions({ image: ["alpine"] }), ["pull", "exec_start: sh"]);
    assert.deepEqual(await actions({ image: ["pg"], event: ["die", "start"] }), ["die"]);
    assert.deepEqual(await actions({ label: ["tier=x"] }), ["exec_start: sh"]);
    assert.equal((await api.call("GET", '/events?filters={"a":["b"]}')).status, 400);
  });

  test("live events: the head comes at once, and leaving ends the subscription", async () => {
    await using api = await testApi();
    const sent = request({ socketPath: api.socketPath, path: "/events" });
    const status = await new Promise<number>((resolve, reject) => {
      sent.on("response", (response) => resolve(response.statusCode ?? 0));
      sent.on("error", reject);
      sent.end();
    });
    assert.equal(status, 200);
    sent.destroy();
  });

  test("volumes can be listed", async () => {
    await using api = await testApi();
    assert.deepEqual((await api.call("GET", "/volumes")).json(), { Volumes: [], Warnings: [] });
  });

  test("os-release with every kind of quotes", () => {
    assert.deepEqual(parseOsRelease('PRETTY_NAME="Debian \\"12\\""\nNAME=\'D E\'\nID=debian\n# x\nbroken'), {
      PRETTY_NAME: 'Debian "12"',
      NAME: "D E",
      ID: "debian",
    });
  });
});
