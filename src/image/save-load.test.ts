import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { isPlyError } from "../error.ts";
import { digestOf, parseReference } from "../oci/index.ts";
import { readTar, TAR_END, tarHeader, tarPadding } from "../tar/index.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRoom, type Room } from "./testing/room.ts";
import { buildImage, publishImage, publishIndex, sampleTar } from "./testing/sample-image.ts";

const base = { tar: sampleTar({ "etc/os-release": "base" }) };
const top = { tar: sampleTar({ "srv/app": "hello" }) };

type Files = [path: string, content: Uint8Array | { readonly link: string }][];

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

async function unpack(archive: Uint8Array): Promise<Files> {
  const files: Files = [];
  for await (const { entry, content } of readTar(oneChunk(archive)))
    if (entry.type === "file") files.push([entry.path, await collect(content)]);
  return files;
}

function pack(files: Files): Buffer {
  return Buffer.concat([
    ...files.flatMap(([path, content]) =>
      content instanceof Uint8Array
        ? [
            tarHeader({ path, type: "file", mode: 0o644, size: content.length }),
            content,
            tarPadding(content.length),
          ]
        : [tarHeader({ path, type: "symlink", mode: 0o777, linkTarget: content.link })],
    ),
    TAR_END,
  ]);
}

async function pulledRoom(): Promise<Room> {
  const room = await openRoom();
  publishImage(room.registry, "docker.io/library/app", "1", { layers: [base, top] });
  publishImage(room.registry, "docker.io/library/app", "2", { layers: [base], config: { author: "two" } });
  await room.images.pull(parseReference("app:1"));
  await room.images.pull(parseReference("app:2"));
  return room;
}

const save = async (room: Room, names: string[], format: "docker" | "oci" = "docker") =>
  await collect(await room.images.save(names, { format }));

const load = (room: Room, archive: Uint8Array) =>
  room.images.load(oneChunk(archive), { onProgress: room.onProgress });

describe("save", () => {
  test("is one archive in both layouts, the same bytes each time, shared layers once", async () => {
    await using room = await pulledRoom();
    const archive = await save(room, ["app"]);
    assert.deepEqual(await save(room, ["app:1", "app:2"]), archive);
    const files = await unpack(archive);
    const names = files.map(([path]) => path);
    assert.equal(new Set(names).size, names.length);
    assert.deepEqual(names.slice(0, 4), ["oci-layout", "index.json", "manifest.json", "repositories"]);
    // Two configs, two manifests, two layers, each named by its own digest.
    const blobs = files.slice(4);
    assert.equal(blobs.length, 6);
    for (const [path, content] of blobs)
      assert.equal(path, `blobs/sha256/${digestOf(content as Uint8Array).slice(7)}`);
    assert.deepEqual(room.store.leases.ownersOf(room.images.resolve("app:1").id), []);
  });

  test("of OCI only has no Docker files", async () => {
    await using room = await pulledRoom();
    const names = (await unpack(await save(room, ["app:1"], "oci"))).map(([path]) => path);
    assert.deepEqual(
      [names.includes("manifest.json"), names.includes("repositories"), names.includes("index.json")],
      [false, false, true],
    );
  });

  test("what is saved stays until it is sent, and goes when the reader leaves", async () => {
    await using room = await pulledRoom();
    const { id } = room.images.resolve("app:1");
    const stream = (await room.images.save([id], { format: "docker" }))[Symbol.asyncIterator]();
    await stream.next();
    await room.images.remove("app:1", { force: true, noPrune: false });
    assert.equal(room.store.layers.list().length, 2);
    await stream.return?.();
    assert.equal(room.store.layers.list().length, 1);
  });

  test("says what it cannot save", async () => {
    await using room = await pulledRoom();
    await assert.rejects(room.images.save(["nope"], { format: "docker" }), /No such image: nope:latest/);
    await assert.rejects(room.images.save([], { format: "docker" }), (error) => isPlyError(error, "invalid"));
    await assert.rejects(
      room.images.save(["app:1"], { format: "docker", platform: { os: "linux", architecture: "arm64" } }),
      /does not match the specified platform/,
    );
  });
});

describe("load", () => {
  const packings: [string, (archive: Buffer) => Uint8Array][] = [
    ["plain", (archive) => archive],
    ["gzip", (archive) => gzipSync(archive)],
    ["zstd", (archive) => zstdCompressSync(archive)],
  ];
  for (const format of ["docker", "oci"] as const)
    for (const [packing, compress] of packings)
      test(`takes what save wrote (${format}, ${packing})`, async () => {
        await using room = await pulledRoom();
        await using other = await openRoom();
        const loaded = await load(other, compress(await save(room, ["app"], format)));
        assert.deepEqual(loaded, [
          { name: "app:1", id: room.images.resolve("app:1").id },
          { name: "app:2", id: room.images.resolve("app:2").id },
        ]);
        assert.deepEqual(other.images.resolve("app:1").diffIds, room.images.resolve("app:1").diffIds);
        assert.deepEqual(other.messages(), ["Loaded image: app:1", "Loaded image: app:2"]);
        assert.deepEqual(await save(other, ["app"]), await save(room, ["app"]), "the same archive again");
      });

  test("members may come in any order", async () => {
    await using room = await pulledRoom();
    await using other = await openRoom();
    const files = (await unpack(await save(room, ["app:1"]))).reverse();
    assert.equal((await load(other, pack(files))).length, 1);
  });

  test("an old docker-archive with links between layers", async () => {
    await using room = await openRoom();
    const built = buildImage({ layers: [base, top, base] });
    const hex = built.id.slice(7);
    const loaded = await load(
      room,
      pack([
        ["a/VERSION", Buffer.from("1.0")],
        ["a/json", Buffer.from("{}")],
        ["a/layer.tar", base.tar],
        ["b/layer.tar", gzipSync(top.tar)],
        ["c/layer.tar", { link: "../a/layer.tar" }],
        [`${hex}.json`, built.config],
        [
          "manifest.json",
          Buffer.from(
            JSON.stringify([
              {
                Config: `${hex}.json`,
                RepoTags: ["old:1", "localhost:5000/x:2"],
                Layers: ["a/layer.tar", "b/layer.tar", "c/layer.tar"],
              },
            ]),
          ),
        ],
      ]),
    );
    assert.deepEqual(loaded, [
      { name: "old:1", id: built.id },
      { name: "localhost:5000/x:2", id: built.id },
    ]);
  });

  test("an OCI layout with compressed layers keeps its manifest for a push", async () => {
    await using room = await openRoom();
    const built = buildImage({ layers: [base, { ...top, packing: "zstd" }] });
    const loaded = await load(
      room,
      ociLayout(built, { "org.opencontainers.image.ref.name": "reg.example/app:1" }),
    );
    assert.deepEqual(loaded, [{ name: "reg.example/app:1", id: built.id }]);
    assert.deepEqual(room.images.resolve(built.id).manifests, [built.digest]);
  });

  test("an OCI layout without names, or with a tag only, is loaded without one", async () => {
    for (const annotations of [{}, { "org.opencontainers.image.ref.name": "latest" }]) {
      await using room = await openRoom();
      const built = buildImage({ layers: [base] });
      assert.deepEqual(await load(room, ociLayout(built, annotations)), [{ id: built.id }]);
      assert.deepEqual(room.messages(), [`Loaded image ID: ${built.id}`]);
    }
  });

  test("of an index the platform's image, and nothing of the others stays", async () => {
    await using room = await openRoom();
    const amd = buildImage({ layers: [base] });
    const arm = buildImage({ layers: [top], config: { architecture: "arm64" } });
    const entry = (image: typeof amd, platform: string) => ({
      digest: image.digest,
      size: image.manifest.length,
      platform,
    });
    publishIndex(room.registry, "x/y", "1", [entry(arm, "linux/arm64"), entry(amd, "linux/amd64")]);
    const index = room.registry.manifestOf("x/y", "1") ?? assert.fail();
    const blobs: Files = [amd, arm].flatMap((image) => blobFiles(image));
    const archive = pack([
      ...blobs,
      [`blobs/sha256/${index.digest.slice(7)}`, index.bytes],
      [
        "index.json",
        indexJson(index.digest, index.bytes.length, index.mediaType, {
          "io.containerd.image.name": "docker.io/library/app:1",
        }),
      ],
    ]);
    assert.deepEqual(await load(room, archive), [{ name: "app:1", id: amd.id }]);
    assert.deepEqual(
      room.store.layers.list().map(({ diffId }) => diffId),
      amd.diffIds,
    );
  });

  test("a layer that is here already need not be in the archive", async () => {
    await using room = await pulledRoom();
    const files = await unpack(await save(room, ["app:1"]));
    const [first] = room.images.resolve("app:1").diffIds;
    const without = files.filter(([path]) => !path.endsWith(first?.slice(7) ?? ""));
    assert.equal((await load(room, pack(without))).length, 1);
    await using other = await openRoom();
    await assert.rejects(
      load(other, pack(without)),
      (error) => isPlyError(error, "invalid") && error.message.includes(`blobs/sha256/${first?.slice(7)}`),
    );
    assert.deepEqual([other.store.layers.list(), other.store.images.list()], [[], []]);
  });

  const change = (files: Files, ending: string, content: Uint8Array): Files =>
    files.map(([path, old]) => [path, path.endsWith(ending) ? content : old]);
  const broken: [
    what: string,
    mend: (files: Files, room: Room) => Uint8Array,
    message: RegExp,
    kind: string,
  ][] = [
    [
      "a changed layer",
      (files, room) => pack(change(files, room.images.resolve("app:1").diffIds[1]?.slice(7) ?? "", base.tar)),
      /blobs\/sha256\//,
      "corrupt",
    ],
    [
      "a changed config",
      (files, room) =>
        pack(
          change(
            files,
            room.images.resolve("app:1").id.slice(7),
            Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]}}'),
          ),
        ),
      /it was changed/,
      "corrupt",
    ],
    [
      "a missing config",
      (files, room) =>
        pack(files.filter(([path]) => !path.endsWith(room.images.resolve("app:1").id.slice(7)))),
      /has no member/,
      "invalid",
    ],
    ["a cut archive", (files) => pack(files).subarray(0, -4096), /./, "corrupt"],
    [
      "no image at all",
      () => pack([["etc/passwd", Buffer.from("root")]]),
      /neither manifest\.json nor index\.json/,
      "invalid",
    ],
    ["an empty list", () => pack([["manifest.json", Buffer.from("[]")]]), /no images/, "invalid"],
    ["a list that is none", () => pack([["manifest.json", Buffer.from("{]")]]), /not JSON/, "invalid"],
    ["text", () => Buffer.from("hello ".repeat(200)), /^not an image archive: /, "invalid"],
  ];
  for (const [what, mend, message, kind] of broken)
    test(`refuses ${what} and leaves nothing`, async () => {
      await using room = await pulledRoom();
      await using other = await openRoom();
      const archive = mend(await unpack(await save(room, ["app:1"])), room);
      await assert.rejects(load(other, archive), (error) => {
        assert.ok(isPlyError(error) && error.kind === kind && message.test(error.message), String(error));
        return true;
      });
      assert.deepEqual([other.store.layers.list(), other.store.images.list()], [[], []]);
    });

  test("an abort stops it and leaves nothing", async () => {
    await using room = await pulledRoom();
    await using other = await openRoom();
    const archive = await save(room, ["app:1"]);
    const stop = new AbortController();
    async function* slow() {
      yield archive.subarray(0, 8192);
      stop.abort();
      yield archive.subarray(8192);
    }
    await assert.rejects(other.images.load(slow(), { signal: stop.signal }), (error) =>
      isPlyError(error, "cancelled"),
    );
    assert.deepEqual([other.store.layers.list(), other.store.images.list()], [[], []]);
  });
});

function blobFiles(image: ReturnType<typeof buildImage>): Files {
  return [
    ...image.blobs.map(({ descriptor, bytes }): Files[number] => [
      `blobs/sha256/${descriptor.digest.slice(7)}`,
      bytes,
    ]),
    [`blobs/sha256/${image.id.slice(7)}`, image.config],
    [`blobs/sha256/${image.digest.slice(7)}`, image.manifest],
  ];
}

function indexJson(
  digest: string,
  size: number,
  mediaType: string,
  annotations: Record<string, string>,
): Buffer {
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest, size, annotations }] }),
  );
}

function ociLayout(image: ReturnType<typeof buildImage>, annotations: Record<string, string>): Buffer {
  return pack([
    ...blobFiles(image),
    ["index.json", indexJson(image.digest, image.manifest.length, image.mediaType, annotations)],
    ["oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
  ]);
}
