import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { DiffId, ImageId } from "../oci/index.ts";
import { chainIdsOf, digestOf } from "../oci/index.ts";
import { openStore } from "./open.ts";
import type { CheckOptions, LayerProgress, NewImage, Store } from "./store.ts";
import { compressedDigest, diffIdOf, plainIngest, plainTar, sourceOf } from "./testing/ingest.ts";

const HOUR = 3_600_000;
const CHECK: CheckOptions = { repair: false, openTar: plainTar, foreignOrphans: async () => [] };

describe("store", () => {
  let base = "";
  let count = 0;
  before(async () => {
    base = await mkdtemp(join(tmpdir(), "ply-store-"));
  });
  after(() => rm(base, { recursive: true, force: true }));

  const clock = { now: Date.now() };
  const newRoot = () => join(base, `root${count++}`);
  const open = (root = newRoot(), ingest = plainIngest) =>
    openStore({ root, ingest, clock: () => clock.now });

  /** An image over layers with these contents, put under a lease of its own. */
  const putImage = async (store: Store, config: string, contents: string[], more: Partial<NewImage> = {}) => {
    const lease = store.leases.hold(`pull:${config}`, clock.now + HOUR);
    for (const content of contents) await store.layers.ingest(sourceOf(content), lease);
    const id = (await store.blobs.put(Buffer.from(config), lease)) as ImageId;
    return store.images.put({
      id,
      diffIds: contents.map(diffIdOf),
      os: "linux",
      architecture: "amd64",
      variant: "",
      builtAt: null,
      lease,
      ...more,
    });
  };
  const rejects = (promise: Promise<unknown>, kind: Parameters<typeof isPlyError>[1], message: RegExp) =>
    assert.rejects(promise, (error) => isPlyError(error, kind) && message.test(error.message));

  test("an image comes back as it was put, also after reopening", async () => {
    const root = newRoot();
    const first = await open(root);
    const manifest = await first.blobs.put(Buffer.from("manifest"), first.leases.hold("pull:config"));
    const record = await putImage(first, "config", ["a", "b"], {
      variant: "v8",
      builtAt: 5,
      names: ["docker.io/library/x:latest"],
      repoDigests: [`docker.io/library/x@${manifest}`],
      manifests: [manifest],
    });
    const expected = {
      id: digestOf("config"),
      diffIds: [diffIdOf("a"), diffIdOf("b")],
      chainId: chainIdsOf([diffIdOf("a"), diffIdOf("b")])[1],
      os: "linux",
      architecture: "amd64",
      variant: "v8",
      builtAt: 5,
      arrivedAt: clock.now,
      lastUsedAt: null,
      lastTaggedAt: clock.now,
      parentId: null,
      names: ["docker.io/library/x:latest"],
      repoDigests: [`docker.io/library/x@${manifest}`],
      manifests: [manifest],
    };
    assert.deepEqual(record, expected);
    await first[Symbol.asyncDispose]();
    await using second = await open(root);
    assert.deepEqual(second.images.list(), [expected]);
    assert.deepEqual(second.images.findByName("docker.io/library/x:latest"), expected);
    assert.deepEqual(second.images.findByName(`docker.io/library/x@${manifest}`), expected);
    assert.equal(Buffer.from(await second.blobs.get(manifest)).toString(), "manifest");
    assert.deepEqual((await second.check(CHECK)).problems, []);
  });

  test("a second engine on the same root is refused, with the first one's pid", async () => {
    const root = newRoot();
    await using _store = await open(root);
    await rejects(
      open(root),
      "conflict",
      new RegExp(`in use by another engine \\(process ${process.pid}\\)`),
    );
  });

  test("an image without its layers or config cannot be put", async () => {
    await using store = await open();
    const lease = store.leases.hold("pull:x", clock.now + HOUR);
    const id = digestOf("nothing") as ImageId;
    const image = { id, os: "linux", architecture: "amd64", variant: "", builtAt: null, lease };
    assert.throws(() => store.images.put({ ...image, diffIds: [] }), /blob .* is not in the store/);
    await store.blobs.put(Buffer.from("nothing"), lease);
    assert.throws(
      () => store.images.put({ ...image, diffIds: [diffIdOf("gone")] }),
      /layer .* is not in the store/,
    );
    assert.deepEqual(store.images.list(), []);
    assert.equal(store.images.put({ ...image, diffIds: [] }).chainId, null);
  });

  test("tags move, and say what they pointed at", async () => {
    await using store = await open();
    const one = await putImage(store, "one", ["a"]);
    const two = await putImage(store, "two", ["a"]);
    const name = "docker.io/library/x:1";
    assert.equal(store.images.tag(name, one.id), undefined);
    assert.equal(store.images.tag(name, two.id), one.id);
    assert.deepEqual(store.images.get(one.id)?.names, []);
    assert.equal(store.images.untag(name), true);
    assert.equal(store.images.untag(name), false);
    assert.throws(() => store.images.tag(name, digestOf("no") as ImageId), /No such image/);
  });

  test("an ambiguous prefix is a conflict in Docker's words", async () => {
    await using store = await open();
    const ids: string[] = [];
    for (let n = 0; n < 17; n++) ids.push((await putImage(store, `image ${n}`, ["a"])).id.slice(7));
    const shared = ids.find((id) => ids.filter((other) => other[0] === id[0]).length > 1)?.[0] ?? "";
    assert.throws(
      () => store.images.findByPrefix(shared),
      (error) =>
        isPlyError(error, "conflict") &&
        error.message === `multiple IDs found with provided prefix: ${shared}`,
    );
    for (const id of ids) assert.equal(store.images.findByPrefix(id.slice(0, 20))?.id, `sha256:${id}`);
    assert.equal(store.images.findByPrefix("xyz"), undefined);
  });

  test("a layer wanted by several at once is downloaded once", async () => {
    await using store = await open();
    const gate = Promise.withResolvers<void>();
    let opened = 0;
    const source = () => sourceOf("shared", { gate: () => gate.promise, opened: () => opened++ });
    const seen: LayerProgress[][] = [[], [], []];
    const wanted = seen.map((list, n) =>
      store.layers.ingest(source(), store.leases.hold(`pull:${n}`), { onProgress: (p) => list.push(p) }),
    );
    gate.resolve();
    const records = await Promise.all(wanted);
    assert.equal(opened, 1);
    for (const record of records) assert.equal(record.diffId, diffIdOf("shared"));
    for (const list of seen) {
      assert.deepEqual(list[0], { phase: "waiting" });
      assert.ok(list.some((p) => p.phase === "downloading" && p.bytes === 7 && p.total === 7));
      assert.ok(list.some((p) => p.phase === "verifying"));
      assert.deepEqual(list.at(-1), { phase: "ready", existed: false });
    }
    const again: LayerProgress[] = [];
    await store.layers.ingest(source(), store.leases.hold("pull:3"), { onProgress: (p) => again.push(p) });
    assert.deepEqual(again, [{ phase: "ready", existed: true }]);
  });

  test("one DiffID in two compressed forms is one layer; both forms are remembered once verified", async () => {
    await using store = await open();
    const lease = store.leases.hold("pull:x");
    await store.layers.ingest(
      sourceOf("layer", { form: "g", withDiffId: false, repository: "r/one" }),
      lease,
    );
    await store.layers.ingest(
      sourceOf("layer", { form: "z", withDiffId: false, repository: "r/two" }),
      lease,
    );
    await store.layers.ingest(
      sourceOf("layer", { form: "z", withDiffId: false, repository: "r/three" }),
      lease,
    );
    assert.equal(store.layers.list().length, 1);
    const forms = store.layers.forms(diffIdOf("layer"));
    assert.deepEqual(
      forms.map(({ digest, repositories }) => ({ digest, repositories })),
      [
        { digest: compressedDigest("layer", "g"), repositories: ["r/one"] },
        { digest: compressedDigest("layer", "z"), repositories: ["r/three", "r/two"] },
      ].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    );
    // Never verified: present by DiffID, so not a word about this digest is believed.
    await store.layers.ingest(sourceOf("layer", { form: "x", repository: "r/evil" }), lease);
    assert.equal(store.layers.findByDigest(compressedDigest("layer", "x")), undefined);
  });

  test("a digest that unpacks to something else than the image says is refused", async () => {
    await using store = await open();
    const lease = store.leases.hold("pull:x");
    await store.layers.ingest(sourceOf("layer"), lease);
    const lying = { ...sourceOf("layer"), diffId: diffIdOf("other") };
    await rejects(store.layers.ingest(lying, lease), "corrupt", /unpacks to/);
  });

  test("the last waiter's abort cancels, an earlier one's does not", async () => {
    await using store = await open();
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const source = sourceOf("slow", {
      gate: () => {
        started.resolve();
        return gate.promise;
      },
    });
    const [a, b] = [new AbortController(), new AbortController()];
    const first = store.layers.ingest(source, store.leases.hold("pull:a"), { signal: a.signal });
    const second = store.layers.ingest(source, store.leases.hold("pull:b"), { signal: b.signal });
    await started.promise;
    a.abort();
    await rejects(first, "cancelled", /cancelled/);
    b.abort();
    gate.resolve();
    await rejects(second, "cancelled", /cancelled/);
    assert.deepEqual(await readdir(join(store.root, "ingest")), [
      `${compressedDigest("slow").slice(7)}.part`,
    ]);
    assert.deepEqual(store.layers.list(), []);
    const third = await store.layers.ingest(sourceOf("slow"), store.leases.hold("pull:c"));
    assert.equal(third.diffId, diffIdOf("slow"));
  });

  test("when a shared source fails, a waiter goes on with its own", async () => {
    await using store = await open();
    const gate = Promise.withResolvers<void>();
    const broken = sourceOf("layer", {
      gate: async () => {
        await gate.promise;
        throw new Error("connection reset");
      },
    });
    const first = store.layers.ingest(broken, store.leases.hold("pull:a"));
    const second = store.layers.ingest(sourceOf("layer"), store.leases.hold("pull:b"));
    gate.resolve();
    await assert.rejects(first, /connection reset/);
    assert.equal((await second).diffId, diffIdOf("layer"));
  });

  test("an interrupted download goes on from its part file; without a digest none is kept", async () => {
    await using store = await open();
    const failing = (withDigest: boolean) => {
      let bytes = 0;
      return sourceOf(withDigest ? "resumed" : "streamed", {
        withDigest,
        gate: async () => {
          if (++bytes === 3) throw new Error("line cut");
        },
      });
    };
    const lease = store.leases.hold("pull:x");
    await assert.rejects(store.layers.ingest(failing(false), lease), /line cut/);
    assert.deepEqual(await readdir(join(store.root, "ingest")), []);
    await assert.rejects(store.layers.ingest(failing(true), lease), /line cut/);
    const offsets: number[] = [];
    const source = sourceOf("resumed");
    const recording = (offset: number, signal: AbortSignal) => {
      offsets.push(offset);
      return source.open(offset, signal);
    };
    await store.layers.ingest({ ...source, open: recording }, lease);
    assert.deepEqual(offsets, [3]);
    assert.deepEqual(await readdir(join(store.root, "ingest")), []);
  });

  test("opening sweeps ingest/ but keeps young part files", async () => {
    const root = newRoot();
    await (await open(root))[Symbol.asyncDispose]();
    const ingest = join(root, "ingest");
    await mkdir(join(ingest, "half"));
    for (const name of ["young.part", "old.part", "x.blob"]) await writeFile(join(ingest, name), "x");
    await utimes(join(ingest, "old.part"), new Date(clock.now), new Date(clock.now - 25 * HOUR));
    await using _store = await open(root);
    assert.deepEqual(await readdir(ingest), ["young.part"]);
  });

  test("garbage: leases keep, images keep, containers keep beyond the image", async () => {
    await using store = await open();
    const unused: string[] = [];
    store.onChainUnused = async (chainId) => void unused.push(chainId);
    const image = await putImage(store, "config", ["a", "b"]);
    const other = await putImage(store, "other", ["a", "c"]);
    store.leases.hold("container:1");
    store.leases.addImage({ owner: "container:1" }, image.id);
    assert.deepEqual(store.leases.ownersOf(image.id), ["container:1"]);
    store.images.remove(image.id);
    store.images.remove(other.id);
    const report = await store.collectGarbage();
    assert.deepEqual(report.layers, [diffIdOf("c")]);
    assert.deepEqual(report.blobs, [other.id]);
    assert.deepEqual(unused, [other.chainId]);
    assert.ok(report.bytesFreed > 0);
    // As an engine does at start, whatever became of the image meanwhile.
    store.leases.addImage(store.leases.hold("container:1"), image.id);
    assert.throws(() => store.leases.addImage(store.leases.hold("container:2"), image.id), /No such image/);
    store.leases.end("container:1");
    const last = await store.collectGarbage();
    assert.deepEqual([...last.layers].sort(), [diffIdOf("a"), diffIdOf("b")].sort());
    assert.deepEqual(await readdir(join(store.root, "layers")), []);
    assert.deepEqual(await readdir(join(store.root, "blobs/sha256")), []);
  });

  test("a mounted stack keeps its layers until it can go", async () => {
    await using store = await open();
    const image = await putImage(store, "config", ["a"]);
    store.images.remove(image.id);
    const { PlyError } = await import("../error.ts");
    store.onChainUnused = async () => {
      throw new PlyError("conflict", "mounted");
    };
    assert.deepEqual((await store.collectGarbage()).layers, []);
    store.onChainUnused = undefined;
    assert.deepEqual((await store.collectGarbage()).layers, [diffIdOf("a")]);
  });

  test("an interrupted pull keeps its layers until the lease ends", async () => {
    const root = newRoot();
    const before = await open(root);
    await before.layers.ingest(sourceOf("a"), before.leases.hold("pull:x", clock.now + HOUR));
    await before.layers.ingest(sourceOf("b"), before.leases.hold("load:endless"));
    await before[Symbol.asyncDispose]();
    await using store = await open(root);
    assert.deepEqual((await store.collectGarbage()).layers, []);
    clock.now += HOUR + 1;
    assert.deepEqual((await store.collectGarbage()).layers, [diffIdOf("a")]);
    clock.now += 24 * HOUR;
    assert.deepEqual((await store.collectGarbage()).layers, [diffIdOf("b")]);
  });

  test("a layer that is collected and pulled again at the same time is there afterwards", async () => {
    await using store = await open();
    for (let round = 0; round < 20; round++) {
      store.leases.end("pull:x");
      const [, record] = await Promise.all([
        store.collectGarbage(),
        store.layers.ingest(sourceOf("a"), store.leases.hold("pull:x", clock.now + HOUR)),
      ]);
      assert.equal((await stat(join(record.dir, "layer.tar"))).size, 1);
    }
    assert.deepEqual((await store.check(CHECK)).problems, []);
  });

  test("a check names damage, repair removes the image it hits and frees orphans", async () => {
    await using store = await open();
    const good = await putImage(store, "good", ["a", "b"], { names: ["docker.io/library/good:1"] });
    await putImage(store, "bad", ["a", "c"], { names: ["docker.io/library/bad:1"] });
    await writeFile(join(store.root, "layers", diffIdOf("c").slice(7), "layer.tar"), "C");
    const lost = (await putImage(store, "lost", [])).id;
    await rm(join(store.root, "blobs/sha256", lost.slice(7)));
    const orphan = join(store.root, "layers", "f".repeat(64));
    await mkdir(orphan);
    const foreign = join(base, "foreign");
    await writeFile(foreign, "1234");
    const check = (repair: boolean) =>
      store.check({
        ...CHECK,
        repair,
        foreignOrphans: async () => ((await stat(foreign).catch(() => null)) ? [foreign] : []),
      });

    const found = await check(false);
    assert.deepEqual(
      found.problems.map(({ kind, about, repaired }) => `${kind} ${about} ${repaired}`).sort(),
      [
        "dangling docker.io/library/bad:1 false",
        `dangling ${lost} false`,
        `missing ${lost} false`,
        `corrupt ${diffIdOf("c")} false`,
        `orphan ${orphan} false`,
        `orphan ${foreign} false`,
      ].sort(),
    );
    const repaired = await check(true);
    assert.equal(repaired.problems.length, 6);
    assert.ok(repaired.problems.every((problem) => problem.repaired));
    assert.ok(repaired.bytesFreed >= 4);
    assert.deepEqual((await check(true)).problems, []);
    assert.deepEqual(
      store.images.list().map((image) => image.id),
      [good.id],
    );
  });

  test("a check names what nothing needs, unless its collection is due", async () => {
    await using store = await open();
    const image = await putImage(store, "config", ["a"]);
    store.images.remove(image.id);
    // The layer is part of the stack until that is gone.
    const refs = [image.id, chainIdsOf([diffIdOf("a")])[0]].sort();
    const check = async (repair: boolean) =>
      (await store.check({ ...CHECK, repair })).problems.map(({ kind, about, repaired }) => ({
        kind,
        about,
        repaired,
      }));
    const orphans = (repaired: boolean) => refs.map((about) => ({ kind: "orphan", about, repaired }));
    const byName = (a: { about: string }, b: { about: string }) => (a.about < b.about ? -1 : 1);
    assert.deepEqual((await check(false)).sort(byName), orphans(false));
    const [found] = await Promise.all([check(false), store.collectGarbage()]);
    assert.deepEqual(found, [], "the collection waits for the check");
    const again = await putImage(store, "config", ["a"]);
    store.images.remove(again.id);
    assert.deepEqual((await check(true)).sort(byName), orphans(true));
    assert.deepEqual(store.layers.list(), []);
  });

  test("unfinished downloads stay for a day, or until a collection is to take them", async () => {
    await using store = await open();
    const part = join(store.root, "ingest", `${"a".repeat(64)}.part`);
    await writeFile(part, "half");
    await utimes(part, clock.now / 1000, clock.now / 1000);
    await store.collectGarbage();
    await stat(part);
    await store.collectGarbage({ parts: true });
    assert.deepEqual(await readdir(join(store.root, "ingest")), []);
  });

  test("damage that a container holds on to is not repaired, and says who", async () => {
    await using store = await open();
    const image = await putImage(store, "config", ["a"]);
    store.leases.hold("container:7");
    store.leases.addImage({ owner: "container:7" }, image.id);
    await rm(join(store.root, "layers", diffIdOf("a").slice(7)), { recursive: true });
    const { problems } = await store.check({ ...CHECK, repair: true });
    const problem = problems.find((each) => each.about === diffIdOf("a"));
    assert.equal(problem?.kind, "missing");
    assert.equal(problem?.repaired, false);
    assert.match(problem?.message ?? "", /held by container:7/);
  });

  test("records and settings round-trip", async () => {
    await using store = await open();
    const containers = store.records("containers");
    containers.put("b", { x: [1, null, "y"] });
    containers.put("a", 1);
    containers.put("a", 2);
    store.records("volumes").put("a", "other");
    assert.deepEqual(containers.list(), [
      { key: "a", value: 2 },
      { key: "b", value: { x: [1, null, "y"] } },
    ]);
    containers.delete("a");
    assert.equal(containers.get("a"), undefined);
    assert.equal(store.settings.get("driver"), undefined);
    store.settings.set("driver", "erofs");
    assert.equal(store.settings.get("driver"), "erofs");
  });

  test("a stack named before its image comes keeps its layers and is known to the check", async () => {
    await using store = await open();
    const lease = store.leases.hold("pull:x", clock.now + HOUR);
    await store.layers.ingest(sourceOf("a"), lease);
    const chainId = store.leases.addChain(lease, [diffIdOf("a")]);
    let known: ReadonlySet<string> = new Set();
    await store.check({
      ...CHECK,
      foreignOrphans: async (chains) => {
        known = chains;
        return [];
      },
    });
    assert.deepEqual([...known], [chainId]);
    assert.throws(() => store.leases.addChain(lease, ["sha256:no" as DiffId]), /is not in the store/);
  });
});
