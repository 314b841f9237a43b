import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { chainIdsOf, type DiffId, parseReference } from "../oci/index.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRoom, type Room } from "./testing/room.ts";
import { publishImage, sampleTar } from "./testing/sample-image.ts";

const base = { tar: sampleTar({ "etc/os-release": "base" }) };
const top = { tar: sampleTar({ "srv/app": "hello" }) };
const DAY = 24 * 60 * 60 * 1000;
const gently = { force: false, noPrune: false };
const forced = { force: true, noPrune: false };

async function importAs(room: Room, name: string, text = name): Promise<string> {
  room.now += 1000;
  return await room.images.import(oneChunk(sampleTar({ file: text })), { reference: parseReference(name) });
}

const conflict = (message: RegExp) => (error: unknown) => {
  assert.ok(isPlyError(error, "conflict") && message.test(error.message), String(error));
  return true;
};

describe("remove", () => {
  test("by name unties one name, and the last one deletes with layers", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "docker.io/library/app", "1", { layers: [base, top] });
    await room.images.pull(parseReference("app:1"));
    await room.images.tag("app:1", parseReference("other:2"));
    assert.deepEqual(await room.images.remove("app:1", gently), [
      { untagged: "app:1" },
      { untagged: `app@${built.digest}` },
    ]);
    const chains = chainIdsOf(built.diffIds as DiffId[]);
    assert.deepEqual(await room.images.remove("other:2", gently), [
      { untagged: "other:2" },
      { deleted: built.id },
      { deleted: chains[1] },
      { deleted: chains[0] },
    ]);
    assert.deepEqual([room.store.images.list(), room.store.layers.list()], [[], []]);
    assert.deepEqual(
      room.events.map(({ action }) => action),
      ["pull", "tag", "untag", "untag", "untag", "delete"],
    );
  });

  test("what another image shares is not deleted", async () => {
    await using room = await openRoom();
    publishImage(room.registry, "docker.io/library/app", "1", { layers: [base] });
    const two = publishImage(room.registry, "docker.io/library/app", "2", { layers: [base, top] });
    await room.images.pull(parseReference("app:1"));
    await room.images.pull(parseReference("app:2"));
    const removed = await room.images.remove("app:2", gently);
    assert.deepEqual(removed.slice(-2), [
      { deleted: two.id },
      { deleted: chainIdsOf(two.diffIds as DiffId[])[1] },
    ]);
    assert.deepEqual(
      room.store.layers.list().map(({ diffId }) => diffId),
      [two.diffIds[0]],
    );
  });

  test("by id needs force when several repositories name it", async () => {
    await using room = await openRoom();
    const id = await importAs(room, "one:1");
    await room.images.tag("one:1", parseReference("two:1"));
    const short = id.slice(7, 19);
    await assert.rejects(
      room.images.remove(short, gently),
      conflict(
        new RegExp(
          `^conflict: unable to delete ${short} \\(must be forced\\) - image is referenced in multiple repositories$`,
        ),
      ),
    );
    const removed = await room.images.remove(id, forced);
    assert.deepEqual(removed.slice(0, 3), [{ untagged: "one:1" }, { untagged: "two:1" }, { deleted: id }]);
  });

  test("what a container needs stays", async () => {
    const containers = new Map<string, string[]>();
    const running = new Set<string>();
    await using room = await openRoom({
      containersOf: (id) => containers.get(id) ?? [],
      isRunning: (container) => running.has(container),
    });
    const id = await importAs(room, "app:1");
    containers.set(id, ["c0ffee000000aaaa"]);
    await assert.rejects(
      room.images.remove("app:1", gently),
      conflict(
        /^conflict: unable to remove repository reference "app:1" \(must force\) - container c0ffee000000 is using its referenced image [0-9a-f]{12}$/,
      ),
    );
    await assert.rejects(
      room.images.remove(id, gently),
      conflict(/\(must be forced\) - image is being used by stopped container c0ffee000000$/),
    );
    running.add("c0ffee000000aaaa");
    await assert.rejects(
      room.images.remove(id, forced),
      conflict(/\(cannot be forced\) - image is being used by running container c0ffee000000$/),
    );
    assert.deepEqual(
      await room.images.remove("app:1", forced),
      [{ untagged: "app:1" }],
      "the name may go, the image stays",
    );
    assert.equal(room.images.resolve(id).id, id);
    const { removed } = await room.images.prune({ filter: {}, all: true });
    assert.deepEqual(removed, []);
    running.clear();
    assert.equal((await room.images.remove(id, forced)).at(0)?.deleted, id);
  });

  test("a container's lease alone keeps an image", async () => {
    await using room = await openRoom();
    const id = await importAs(room, "app:1");
    const lease = room.store.leases.hold("container:abcdef0123456789");
    room.store.leases.addImage(lease, room.images.resolve(id).id);
    await assert.rejects(room.images.remove("app:1", gently), conflict(/container abcdef012345 is using/));
  });

  test("parents without a name go with the last child, named ones stay", async () => {
    await using room = await openRoom();
    const parent = room.images.resolve(await importAs(room, "parent:1"));
    const { config: _config, ...rest } = await room.images.configOf(parent.id);
    const lease = room.store.leases.hold("test");
    const bytes = Buffer.from(JSON.stringify({ ...rest, author: "child" }));
    const child = (await room.store.blobs.put(bytes, lease)) as typeof parent.id;
    const put = () =>
      room.store.images.put({
        ...parent,
        id: child,
        parentId: parent.id,
        names: ["docker.io/library/child:1"],
        repoDigests: [],
        manifests: [],
      });
    put();
    await assert.rejects(
      room.images.remove(parent.id, forced),
      conflict(/\(cannot be forced\) - image has dependent child images$/),
    );
    await room.images.remove("child:1", gently);
    assert.equal(room.store.images.list().length, 1);
    put();
    assert.deepEqual(await room.images.remove("parent:1", gently), [{ untagged: "parent:1" }]);
    const removed = await room.images.remove("child:1", gently);
    assert.deepEqual(removed.slice(0, 3), [
      { untagged: "child:1" },
      { deleted: child },
      { deleted: parent.id },
    ]);
    room.store.leases.end("test");
  });
});

describe("prune", () => {
  const ids = (removed: readonly { deleted?: string }[]) =>
    removed.flatMap(({ deleted }) => (deleted === undefined ? [] : [deleted]));

  test("takes the dangling only, unless all are meant", async () => {
    await using room = await openRoom();
    const old = await importAs(room, "app:1", "old");
    const now = await importAs(room, "app:1", "new");
    const { removed, bytesReclaimed } = await room.images.prune({ filter: {}, all: false });
    assert.ok(ids(removed).includes(old) && !ids(removed).includes(now));
    assert.ok(bytesReclaimed > 0);
    assert.ok(ids((await room.images.prune({ filter: {}, all: true })).removed).includes(now));
    assert.deepEqual([room.store.images.list(), room.store.layers.list()], [[], []]);
  });

  test("by label, by age of each clock, and by how many to keep", async () => {
    await using room = await openRoom();
    const labelled = await room.images.import(oneChunk(base.tar), {
      changes: ["LABEL keep=yes"],
      reference: parseReference("l:1"),
    });
    const first = await importAs(room, "app:1");
    room.now += 3 * DAY;
    const second = await importAs(room, "app:2");
    const dry = async (options: Partial<Parameters<typeof room.images.prune>[0]>) =>
      ids((await room.images.prune({ filter: {}, all: true, dryRun: true, ...options })).removed).sort();
    assert.deepEqual(await dry({ filter: { notLabels: ["keep=yes"] } }), [first, second].sort());
    assert.deepEqual(await dry({ filter: { labels: ["keep"] } }), [labelled]);
    assert.deepEqual(
      await dry({ filter: { until: { at: room.now - DAY, clock: "arrived" } } }),
      [labelled, first].sort(),
    );
    assert.deepEqual(await dry({ unusedForMs: 2 * DAY }), [labelled, first].sort());
    await room.images.stackOf(room.images.resolve("app:1").id);
    assert.deepEqual(await dry({ unusedForMs: 2 * DAY }), [labelled]);
    assert.deepEqual(await dry({ keep: 1 }), [first]);
    assert.equal(room.store.images.list().length, 3, "a dry run removes nothing");
  });

  test("down to a size, the least recently used first", async () => {
    await using room = await openRoom();
    const first = await importAs(room, "app:1");
    const second = await importAs(room, "app:2");
    await importAs(room, "app:3");
    room.now += DAY;
    await room.images.stackOf(room.images.resolve("app:1").id);
    const size = room.store.layers.list()[0]?.tarSize ?? 0;
    const { removed, bytesReclaimed } = await room.images.prune({
      filter: {},
      all: true,
      maxSize: 2 * size,
      dryRun: true,
    });
    assert.deepEqual([ids(removed), bytesReclaimed], [[second], size]);
    assert.notEqual(first, second);
  });

  test("leaves alone what a push is sending", async () => {
    await using room = await openRoom();
    await importAs(room, "reg.example/app:1");
    const { pushBlob } = room.registry;
    let pruned: unknown;
    room.registry.pushBlob = async (...args) => {
      pruned ??= (await room.images.prune({ filter: {}, all: true })).removed;
      return await pushBlob(...args);
    };
    await room.images.push(parseReference("reg.example/app:1"));
    assert.deepEqual(pruned, []);
  });
});
