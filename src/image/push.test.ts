import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import { digestOf, MEDIA_TYPE, parseManifest, parseReference } from "../oci/index.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRoom, type Room } from "./testing/room.ts";
import { publishImage, publishIndex, sampleTar } from "./testing/sample-image.ts";

const base = { tar: sampleTar({ "etc/os-release": "base".repeat(500) }) };
const top = { tar: sampleTar({ "srv/app": "hello".repeat(500) }) };
const at = (name: string) => parseReference(`reg.example/${name}`);

async function importApp(room: Room, name: string): Promise<void> {
  await room.images.import(oneChunk(base.tar), { reference: at(name) });
}

describe("push", () => {
  for (const docker of [false, true])
    test(`back to where it came from uploads nothing and keeps the manifest (${docker ? "docker" : "oci"})`, async () => {
      await using room = await openRoom();
      const built = publishImage(room.registry, "reg.example/app", "1", {
        layers: [base, top, base],
        docker,
      });
      await room.images.pull(at("app:1"));
      room.registry.calls.length = 0;
      const pushed = await room.images.push(at("app:1"), { onProgress: room.onProgress });
      assert.deepEqual(pushed, { digest: built.digest, size: built.manifest.length, tag: "1" });
      assert.equal(room.registry.count("PUT blob"), 0);
      assert.deepEqual(room.messages(), [
        "The push refers to repository [reg.example/app]",
        `1: digest: ${built.digest} size: ${built.manifest.length}`,
      ]);
      assert.deepEqual(Object.values(room.statuses()), [["Layer already exists"], ["Layer already exists"]]);
    });

  test("to another repository of the registry mounts the layers and keeps the manifest", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "reg.example/app", "1", { layers: [base, top] });
    await room.images.pull(at("app:1"));
    await room.images.tag("reg.example/app:1", at("copy:2"));
    room.registry.calls.length = 0;
    const pushed = await room.images.push(at("copy:2"), { onProgress: room.onProgress });
    assert.equal(pushed.digest, built.digest);
    assert.deepEqual(
      [room.registry.count("MOUNT blob"), room.registry.count("PUT blob")],
      [2, 1],
      "the config is sent",
    );
    assert.ok(room.progress.some((item) => item.kind === "layer" && item.detail === "from app"));
    assert.ok(
      room.images.resolve("reg.example/copy:2").repoDigests.includes(`reg.example/copy@${built.digest}`),
    );
  });

  test("an image from an index goes out as its own platform's manifest", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "reg.example/app", undefined, { layers: [base] });
    publishIndex(room.registry, "reg.example/app", "1", [
      { digest: built.digest, size: built.manifest.length, platform: "linux/amd64" },
    ]);
    await room.images.pull(at("app:1"));
    await room.images.tag("reg.example/app:1", at("copy:1"));
    assert.equal((await room.images.push(at("copy:1"))).digest, built.digest);
  });

  test("to another registry compresses what was never seen there, always to the same bytes", async () => {
    await using room = await openRoom();
    publishImage(room.registry, "reg.example/app", "1", { layers: [base, top], docker: true });
    await room.images.pull(at("app:1"));
    await room.images.tag("reg.example/app:1", parseReference("other.example/app:1"));
    await room.images.tag("reg.example/app:1", parseReference("third.example/app:1"));
    const first = await room.images.push(parseReference("other.example/app:1"), {
      onProgress: room.onProgress,
    });
    const second = await room.images.push(parseReference("third.example/app:1"));
    assert.equal(first.digest, second.digest);
    assert.deepEqual(Object.values(room.statuses())[0], ["Preparing", "Pushing", "Pushed"]);
    const stored = room.registry.manifestOf("other.example/app", "1") ?? assert.fail();
    const parsed = parseManifest(stored.bytes, stored.mediaType);
    assert.ok(parsed.kind === "image");
    assert.equal(parsed.mediaType, MEDIA_TYPE.dockerManifest, "what came as Docker's stays so");
    assert.deepEqual(
      parsed.manifest.layers.map(({ mediaType }) => mediaType),
      [MEDIA_TYPE.dockerLayerGzip, MEDIA_TYPE.dockerLayerGzip],
    );
    assert.deepEqual(await readdir(join(room.store.root, "ingest")), [], "no spool is left");
    // What was pushed can be pulled, and is the same image.
    await using elsewhere = await openRoom({ registry: room.registry });
    const pulled = await elsewhere.images.pull(parseReference("other.example/app:1"));
    assert.equal(pulled.id, room.images.resolve("reg.example/app:1").id);
  });

  test("a new image is OCI, and pushing it again sends nothing", async () => {
    await using room = await openRoom();
    await importApp(room, "new:1");
    const first = await room.images.push(at("new:1"));
    const stored = room.registry.manifestOf("reg.example/new", "1") ?? assert.fail();
    assert.equal(stored.mediaType, MEDIA_TYPE.ociManifest);
    room.registry.calls.length = 0;
    assert.equal((await room.images.push(at("new:1"))).digest, first.digest);
    assert.deepEqual([room.registry.count("PUT blob"), room.registry.count("MOUNT")], [0, 0]);
  });

  test("a layer that another image is known to have there is not sent", async () => {
    await using room = await openRoom();
    // The layer came in as a plain tar first: the form at the registry is known from the manifest only.
    await importApp(room, "new:1");
    publishImage(room.registry, "reg.example/app", "1", { layers: [base] });
    await room.images.pull(at("app:1"));
    room.registry.calls.length = 0;
    await room.images.push(at("new:1"), { onProgress: room.onProgress });
    assert.deepEqual([room.registry.count("MOUNT blob"), room.registry.count("PUT blob")], [1, 1]);
  });

  test("a form that can neither be mounted nor made again gives way to a new one", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "reg.example/app", "1", { layers: [base] });
    await room.images.pull(at("app:1"));
    room.registry.removeBlob("reg.example/app", built.blobs[0]?.descriptor.digest ?? assert.fail());
    await room.images.tag("reg.example/app:1", at("copy:1"));
    const pushed = await room.images.push(at("copy:1"));
    assert.notEqual(pushed.digest, built.digest);
    await using elsewhere = await openRoom({ registry: room.registry });
    assert.equal((await elsewhere.images.pull(at("copy:1"))).id, built.id);
  });

  test("plain layers go out as they came", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "reg.example/app", "1", {
      layers: [{ ...base, packing: "none" }],
    });
    await room.images.pull(at("app:1"));
    await room.images.tag("reg.example/app:1", parseReference("other.example/app:1"));
    assert.equal((await room.images.push(parseReference("other.example/app:1"))).digest, built.digest);
  });

  test("a foreign layer is named, not sent", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, "reg.example/app", undefined, {
      layers: [base, top],
      docker: true,
    });
    const { layers, ...rest } = JSON.parse(Buffer.from(built.manifest).toString());
    const foreign = {
      ...layers[0],
      mediaType: MEDIA_TYPE.dockerForeignLayerGzip,
      urls: ["https://files.example/l"],
    };
    const bytes = Buffer.from(JSON.stringify({ ...rest, layers: [foreign, layers[1]] }));
    const digest = room.registry.addManifest("reg.example/app", "1", bytes, built.mediaType);
    await room.images.pull(at("app:1"));
    await room.images.tag("reg.example/app:1", at("copy:1"));
    const pushed = await room.images.push(at("copy:1"), { onProgress: room.onProgress });
    assert.equal(pushed.digest, digest);
    assert.ok(room.messages().includes("Skipped foreign layer"));
    assert.equal(
      room.registry.calls.some((call) => call.includes(`copy ${foreign.digest}`)),
      false,
    );
  });

  test("all tags of a repository", async () => {
    await using room = await openRoom();
    await importApp(room, "new:1");
    await room.images.tag("reg.example/new:1", at("new:2"));
    await room.images.tag("reg.example/new:1", at("newer:3"));
    const pushed = await room.images.pushAllTags(at("new"));
    assert.deepEqual(
      pushed.map(({ tag }) => tag),
      ["1", "2"],
    );
    assert.equal(room.registry.count("PUT blob"), 2, "one layer, one config");
  });

  test("what is not here, and what may not be pushed", async () => {
    await using room = await openRoom();
    await assert.rejects(
      room.images.push(at("nope:1")),
      /^PlyError: An image does not exist locally with the tag: reg\.example\/nope$/,
    );
    await assert.rejects(
      room.images.push(parseReference(`reg.example/a@${digestOf("x")}`)),
      /cannot push a digest reference/,
    );
    await importApp(room, "new:1");
    await assert.rejects(
      room.images.push(at("new:1"), { platform: { os: "linux", architecture: "arm64" } }),
      /does not match the specified platform/,
    );
    room.registry.pushBlob = () =>
      Promise.reject(new PlyError("denied", "requested access to the resource is denied"));
    await assert.rejects(
      room.images.push(at("new:1")),
      (error) =>
        isPlyError(error, "denied") &&
        /^push access denied for reg\.example\/new, repository does not exist or may require authorization/.test(
          error.message,
        ),
    );
    assert.deepEqual(await readdir(join(room.store.root, "ingest")), []);
  });

  test("a layer that cannot be compressed is named; an abort meanwhile leaves nothing", async () => {
    const stop = new AbortController();
    const failures: (() => Promise<Uint8Array>)[] = [
      () => Promise.reject(new PlyError("internal", "the thread that compresses died: out of memory")),
      async () => {
        stop.abort();
        return new Uint8Array(1000);
      },
    ];
    await using room = await openRoom({
      deflater: { deflate: () => failures.shift()?.() ?? assert.fail("asked again") },
    });
    await importApp(room, "new:1");
    await assert.rejects(
      room.images.push(at("new:1")),
      /^PlyError: layer [0-9a-f]{12} was not compressed: the thread that compresses died: out of memory$/,
    );
    await assert.rejects(room.images.push(at("new:1"), { signal: stop.signal }), (error) =>
      isPlyError(error, "cancelled"),
    );
    assert.deepEqual(await readdir(join(room.store.root, "ingest")), []);
    assert.equal(room.registry.count("PUT manifest"), 0);
  });

  test("an image removed while it is pushed is pushed whole, and then gone", async () => {
    await using room = await openRoom();
    await importApp(room, "new:1");
    const { pushBlob } = room.registry;
    room.registry.pushBlob = async (...args) => {
      if (room.store.images.list().length > 0)
        await room.images.remove("reg.example/new:1", { force: false, noPrune: false });
      return await pushBlob(...args);
    };
    await room.images.push(at("new:1"));
    assert.ok(room.registry.manifestOf("reg.example/new", "1"));
    assert.deepEqual([room.store.images.list(), room.store.layers.list()], [[], []]);
  });
});
