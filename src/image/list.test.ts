import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { chainIdsOf, type DiffId, parseReference } from "../oci/index.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRoom } from "./testing/room.ts";
import { publishImage, publishIndex, sampleTar } from "./testing/sample-image.ts";

const base = { tar: sampleTar({ "etc/os-release": "12345" }) };
const top = { tar: sampleTar({ "srv/app": "1234567" }) };
const APP = "docker.io/library/app";

async function roomWithTwo() {
  const room = await openRoom();
  const step = (name: string) => ({ created: "2026-01-01T00:00:00Z", created_by: name });
  const debian = publishImage(room.registry, "docker.io/library/debian", "12", {
    layers: [base],
    config: {
      created: "2026-01-01T00:00:00Z",
      history: [step("ADD rootfs"), { ...step("CMD sh"), empty_layer: true }],
    },
  });
  const app = publishImage(room.registry, APP, "1", {
    layers: [base, top],
    config: {
      created: "2026-02-01T00:00:00Z",
      config: { Labels: { tier: "web" } },
      history: [step("ADD rootfs"), { ...step("CMD sh"), empty_layer: true }, step("COPY app")],
    },
  });
  await room.images.pull(parseReference("debian:12"));
  room.now += 1000;
  await room.images.pull(parseReference("app:1"));
  return { room, debian, app };
}

describe("list", () => {
  test("sizes: unique, shared and compressed", async () => {
    const { room, debian, app } = await roomWithTwo();
    await using _ = room;
    const packed = app.blobs.map(({ descriptor }) => descriptor.size);
    assert.deepEqual(
      (await room.images.list()).map(({ record, sizes }) => [record.id, sizes]),
      [
        [app.id, { total: 12, unique: 7, shared: 5, compressed: (packed[0] ?? 0) + (packed[1] ?? 0) }],
        [debian.id, { total: 5, unique: 0, shared: 5, compressed: packed[0] }],
      ],
    );
    assert.equal((await room.images.diskUsage()).layersSize, 12);
  });

  test("filters", async () => {
    const { room } = await roomWithTwo();
    await using _ = room;
    await room.images.tag("app:1", parseReference("localhost:5000/x/app:2"));
    const untagged = await room.images.import(oneChunk(sampleTar({ a: "b" })), {});
    const names = async (filter: Parameters<typeof room.images.list>[0]) =>
      (await room.images.list(filter)).map(({ record }) =>
        record.names.length === 0 ? record.id : record.names.join(" "),
      );
    assert.deepEqual(await names({ dangling: true }), [untagged]);
    assert.deepEqual(await names({ references: ["app"] }), [`${APP}:1`], "only the names that fit");
    assert.deepEqual(await names({ references: ["localhost:5000/*/*"] }), ["localhost:5000/x/app:2"]);
    assert.deepEqual(await names({ references: ["deb*:1?"] }), ["docker.io/library/debian:12"]);
    assert.deepEqual(await names({ labels: ["tier=web"] }), [`${APP}:1 localhost:5000/x/app:2`]);
    assert.deepEqual(await names({ labels: ["tier=db"] }), []);
    assert.deepEqual(await names({ notLabels: ["tier"], dangling: false }), ["docker.io/library/debian:12"]);
    assert.deepEqual(await names({ before: "app:1" }), ["docker.io/library/debian:12"]);
    assert.deepEqual(await names({ since: "debian:12", dangling: false }), [
      `${APP}:1 localhost:5000/x/app:2`,
    ]);
    assert.deepEqual(await names({ until: { at: Date.parse("2026-01-15T00:00:00Z"), clock: "built" } }), [
      "docker.io/library/debian:12",
    ]);
    await assert.rejects(room.images.list({ before: "nope" }), /No such image: nope:latest/);
    await assert.rejects(room.images.list({ references: ["[a"] }), (error) => isPlyError(error, "invalid"));
  });
});

describe("history", () => {
  test("newest first, with sizes, and the base's id and tags at its last step", async () => {
    const { room, debian, app } = await roomWithTwo();
    await using _ = room;
    const chains = chainIdsOf(app.diffIds as DiffId[]);
    assert.deepEqual(
      (await room.images.history("app:1")).map(({ id, createdBy, size, tags, diffId }) => ({
        id,
        createdBy,
        size,
        tags,
        diffId,
      })),
      [
        { id: app.id, createdBy: "COPY app", size: 7, tags: ["app:1"], diffId: app.diffIds[1] },
        { id: debian.id, createdBy: "CMD sh", size: 0, tags: ["debian:12"], diffId: undefined },
        { id: chains[0], createdBy: "ADD rootfs", size: 5, tags: [], diffId: app.diffIds[0] },
      ],
    );
  });

  test("layers that the history does not account for get rows, and steps without layers have no size", async () => {
    await using room = await openRoom();
    publishImage(room.registry, APP, "1", {
      layers: [base, top],
      config: { history: [{ created_by: "one" }] },
    });
    publishImage(room.registry, APP, "2", {
      layers: [base],
      config: { history: [{ created_by: "one" }, { created_by: "two" }] },
    });
    await room.images.pull(parseReference("app:1"));
    await room.images.pull(parseReference("app:2"));
    const rows = async (name: string) =>
      (await room.images.history(name)).map(({ createdBy, size }) => [createdBy, size]);
    assert.deepEqual(await rows("app:1"), [
      ["", 7],
      ["one", 5],
    ]);
    assert.deepEqual(await rows("app:2"), [
      ["two", 0],
      ["one", 5],
    ]);
  });
});

describe("resolve", () => {
  test("names, digests, ids and prefixes", async () => {
    const { room, app } = await roomWithTwo();
    await using _ = room;
    for (const name of [
      "app:1",
      "docker.io/library/app:1",
      `app@${app.digest}`,
      `app:9@${app.digest}`,
      app.id,
      app.id.slice(7),
      app.id.slice(7, 19),
      app.id.slice(0, 20),
    ])
      assert.equal(room.images.resolve(name).id, app.id, name);
    const refused = (name: string, kind: "not-found" | "invalid" | "conflict", message: RegExp) =>
      assert.throws(
        () => room.images.resolve(name),
        (error: Error) => isPlyError(error, kind) && message.test(error.message),
        name,
      );
    refused("app", "not-found", /^No such image: app:latest$/);
    refused("ghcr.io/x/y:z", "not-found", /^No such image: ghcr\.io\/x\/y:z$/);
    refused(`sha256:${"0".repeat(64)}`, "not-found", /^No such image: sha256:0+$/);
    refused("0".repeat(64), "not-found", /^No such image: 0+$/);
    refused("No Name", "invalid", /invalid reference format/);
    await room.images.tag("debian:12", parseReference(app.id.slice(7, 12)));
    assert.equal(room.images.resolve(app.id.slice(7, 12)).names.length, 2, "a name wins over an id prefix");
  });

  test("a prefix of two ids says so", async () => {
    await using room = await openRoom();
    const firsts = new Set<string>();
    let twice = "";
    for (let number = 0; twice === ""; number++) {
      const id = await room.images.import(oneChunk(sampleTar({ n: String(number) })), {});
      if (firsts.has(id.slice(7, 8))) twice = id.slice(7, 8);
      firsts.add(id.slice(7, 8));
    }
    assert.throws(
      () => room.images.resolve(twice),
      (error) => isPlyError(error, "conflict"),
    );
  });
});

describe("import, inspect, tag, distribution", () => {
  test("an import has a config with its changes, and can be inspected", async () => {
    await using room = await openRoom();
    const id = await room.images.import(oneChunk(base.tar), {
      reference: parseReference("mine"),
      comment: "by hand",
      author: "me",
      changes: ['CMD ["/bin/sh"]', "ENV A=1"],
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
    });
    const detail = await room.images.inspect("mine");
    assert.deepEqual(detail.config, {
      architecture: "arm64",
      variant: "v8",
      author: "me",
      config: { Cmd: ["/bin/sh"], Env: ["A=1"] },
      created: "2026-05-01T00:00:00.000Z",
      history: [{ created: "2026-05-01T00:00:00.000Z", comment: "by hand", author: "me" }],
      os: "linux",
      rootfs: { type: "layers", diff_ids: detail.summary.record.diffIds },
    });
    assert.deepEqual(
      detail.layers.map(({ size, digests, diffId }) => [size, digests.length > 0, diffId]),
      [[5, true, detail.summary.record.diffIds[0]]],
    );
    assert.deepEqual(
      room.events.map(({ action, actor }) => [action, actor.id]),
      [
        ["import", id],
        ["tag", id],
      ],
    );
  });

  test("an import that fails leaves nothing", async () => {
    await using room = await openRoom();
    await assert.rejects(room.images.import(oneChunk(Buffer.from("no tar at all".repeat(100))), {}));
    await assert.rejects(
      room.images.import(oneChunk(base.tar), { changes: ["RUN x"] }),
      /RUN is not a valid change command/,
    );
    assert.deepEqual([room.store.images.list(), room.store.layers.list()], [[], []]);
  });

  test("a tag moves from one image to another", async () => {
    const { room, app, debian } = await roomWithTwo();
    await using _ = room;
    await room.images.tag("app:1", parseReference("x"));
    await room.images.tag("debian:12", parseReference("x"));
    assert.equal(room.images.resolve("x:latest").id, debian.id);
    assert.deepEqual(room.images.resolve(app.id).names, [`${APP}:1`]);
    await assert.rejects(
      room.images.tag("app:1", parseReference(`x@${app.digest}`)),
      /refusing to create a tag with a digest reference/,
    );
  });

  test("distribution tells what a name is without pulling it", async () => {
    const { room, app } = await roomWithTwo();
    await using _ = room;
    assert.deepEqual((await room.images.distribution(parseReference("app:1"))).platforms, [
      { os: "linux", architecture: "amd64" },
    ]);
    const digest = publishIndex(room.registry, APP, "all", [
      { digest: app.digest, size: 1, platform: "linux/arm/v7" },
      { digest: app.digest, size: 1, platform: "unknown/unknown" },
    ]);
    const { descriptor, platforms } = await room.images.distribution(parseReference("app:all"));
    assert.deepEqual(
      [descriptor.digest, platforms],
      [digest, [{ os: "linux", architecture: "arm", variant: "v7" }]],
    );
    await assert.rejects(
      room.images.distribution(parseReference("app:nope")),
      /manifest for app:nope not found/,
    );
  });
});
