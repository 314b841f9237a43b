import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { ImageFilter, PruneOptions } from "../image/index.ts";
import { canonicalString } from "../oci/index.ts";
import { testApi } from "./testing/client.ts";
import { fakeImage, NOW } from "./testing/fake-engine.ts";

const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

describe("image routes", () => {
  test("the list has Docker's fields", async () => {
    await using api = await testApi();
    const [first] = (await api.call("GET", "/images/json")).json() as unknown[];
    assert.deepEqual(first, {
      Id: `sha256:${"1".padStart(64, "0")}`,
      ParentId: "",
      RepoTags: ["alpine:latest"],
      RepoDigests: [`alpine@sha256:${"e".repeat(64)}`],
      Created: Math.floor(NOW / 1000) - 86_400,
      Size: 5_000_000,
      SharedSize: -1,
      Labels: { team: "web", number: "1" },
      Containers: -1,
    });
  });

  test("old clients get the name of nothing, and the virtual size", async () => {
    await using api = await testApi();
    const list = async (version: string) =>
      ((await api.call("GET", `${version}/images/json`)).json() as Record<string, unknown>[])[2];
    const old = await list("/v1.40");
    assert.deepEqual(old?.["RepoTags"], ["<none>:<none>"]);
    assert.deepEqual(old?.["RepoDigests"], ["<none>@<none>"]);
    assert.equal(old?.["VirtualSize"], 5_000_000);
    const current = await list("");
    assert.deepEqual(current?.["RepoTags"], []);
    assert.equal("VirtualSize" in (current ?? {}), false);
  });

  test("images that only others were made from come with all", async () => {
    await using api = await testApi();
    const dangling = api.engine.imageList[2]?.record.id;
    assert.ok(dangling);
    api.engine.imageList.push(fakeImage("child:v1", 4, { parent: dangling }));
    const count = async (query: string) =>
      ((await api.call("GET", `/images/json${query}`)).json() as unknown[]).length;
    assert.equal(await count(""), 3);
    assert.equal(await count("?all=0"), 3);
    assert.equal(await count("?all=1"), 4);
  });

  test("filters reach the engine in its own words", async () => {
    await using api = await testApi();
    const filterOf = async (query: string): Promise<ImageFilter | undefined> => {
      const answer = await api.call("GET", `/images/json?${query}`);
      assert.equal(answer.status, 200, answer.text);
      return api.engine.lastFilter.value;
    };
    assert.deepEqual(
      await filterOf(filters({ dangling: ["true"], label: { "a=b": true }, "label!": ["c"] })),
      {
        dangling: true,
        labels: ["a=b"],
        notLabels: ["c"],
      },
    );
    assert.deepEqual(
      await filterOf(filters({ reference: ["al*"], before: ["x"], since: ["y"], until: ["24h"] })),
      {
        references: ["al*"],
        before: "x",
        since: "y",
        until: { at: NOW - 86_400_000, clock: "built" },
      },
    );
    assert.deepEqual(await filterOf("filter=alpine"), { references: ["alpine"] });
    const refused = await api.call("GET", `/images/json?${filters({ colour: ["red"] })}`);
    assert.deepEqual(
      [refused.status, refused.json()],
      [400, { message: "invalid filter 'colour'", kind: "invalid" }],
    );
  });

  test("inspect and history, under names with slashes and ports", async () => {
    await using api = await testApi();
    const inspected = (await api.call("GET", "/images/localhost:5000/team/app:v1/json")).json() as Record<
      string,
      unknown
    >;
    assert.deepEqual(inspected["RepoTags"], ["localhost:5000/team/app:v1"]);
    assert.deepEqual(inspected["RootFS"], { Type: "layers", Layers: [`sha256:${"d".repeat(64)}`] });
    assert.deepEqual(inspected["GraphDriver"], { Name: "erofs", Data: null });
    const [row] = (await api.call("GET", "/images/alpine/history")).json() as unknown[];
    assert.deepEqual(row, {
      Id: `sha256:${"1".padStart(64, "0")}`,
      Created: Math.floor(NOW / 1000) - 86_400,
      CreatedBy: 'CMD ["sh"]',
      Tags: ["alpine:latest"],
      Size: 0,
      Comment: "",
    });
    const missing = await api.call("GET", "/images/gone/json");
    assert.equal(missing.status, 404);
    assert.match(missing.text, /No such image: gone/);
  });

  test("tag: 201, latest where nothing is said, no digests", async () => {
    const tagged: string[] = [];
    await using api = await testApi({
      images: { tag: async (source, target) => void tagged.push(`${source} ${canonicalString(target)}`) },
    });
    assert.equal((await api.call("POST", "/images/alpine/tag?repo=localhost:5000/a/b&tag=v2")).status, 201);
    assert.equal((await api.call("POST", "/images/alpine/tag?repo=mine")).status, 201);
    assert.deepEqual(tagged, ["alpine localhost:5000/a/b:v2", "alpine docker.io/library/mine:latest"]);
    assert.equal((await api.call("POST", "/images/alpine/tag?tag=v2")).status, 400);
    assert.equal((await api.call("POST", `/images/alpine/tag?repo=a@sha256:${"a".repeat(64)}`)).status, 400);
    assert.equal((await api.call("POST", "/images/alpine/tag?repo=UPPER")).status, 400);
  });

  test("remove and prune list what went", async () => {
    const asked: PruneOptions[] = [];
    await using api = await testApi({
      images: {
        remove: async (name, options) => {
          if (name === "used") throw new PlyError("conflict", "conflict: unable to remove");
          assert.deepEqual(options, { force: true, noPrune: false });
          return [{ untagged: "docker.io/library/x:y" }, { deleted: "sha256:1" }];
        },
        prune: async (options) => {
          asked.push(options);
          return { removed: [{ deleted: "sha256:2" }], bytesReclaimed: 42 };
        },
      },
    });
    const removed = await api.call("DELETE", "/images/x:y?force=1");
    assert.deepEqual(removed.json(), [{ Untagged: "x:y" }, { Deleted: "sha256:1" }]);
    assert.equal((await api.call("DELETE", "/images/used")).status, 409);
    const pruned = await api.call("POST", `/images/prune?${filters({ dangling: ["false"], label: ["a"] })}`);
    assert.deepEqual(pruned.json(), { ImagesDeleted: [{ Deleted: "sha256:2" }], SpaceReclaimed: 42 });
    await api.call("POST", "/images/prune");
    assert.deepEqual(asked, [
      { filter: { labels: ["a"] }, all: true },
      { filter: {}, all: false },
    ]);
  });

  test("distribution and search ask the registry, with the client's credentials", async () => {
    await using api = await testApi({
      images: {
        distribution: async (reference, options) => {
          assert.equal(canonicalString(reference), "docker.io/library/alpine:latest");
          assert.deepEqual(options?.credentials, { username: "u", password: "p" });
          const digest = api.engine.imageList[0]?.record.manifests[0];
          assert.ok(digest);
          return {
            descriptor: { mediaType: "m", digest, size: 3 },
            platforms: [{ os: "linux", architecture: "arm64", variant: "v8" }],
          };
        },
      },
      registry: { catalog: async (host) => (host === "localhost:5000" ? ["team/app", "other"] : []) },
    });
    const auth = Buffer.from('{"username":"u","password":"p","serveraddress":"x"}').toString("base64url");
    const found = await api.call("GET", "/distribution/alpine/json", {
      headers: { "X-Registry-Auth": auth },
    });
    assert.deepEqual(found.json(), {
      Descriptor: { mediaType: "m", digest: `sha256:${"e".repeat(64)}`, size: 3 },
      Platforms: [{ os: "linux", architecture: "arm64", variant: "v8" }],
    });
    const results = (await api.call("GET", "/images/search?term=localhost:5000/APP")).json() as {
      name: string;
    }[];
    assert.deepEqual(
      results.map((result) => result.name),
      ["localhost:5000/team/app"],
    );
    assert.equal((await api.call("GET", "/images/search?term=x/y&limit=1000")).status, 400);
    assert.equal((await api.call("GET", "/images/search")).status, 400);
  });
});
