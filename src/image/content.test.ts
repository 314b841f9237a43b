import assert from "node:assert/strict";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { type DiffId, digestOf, hexOf, MEDIA_TYPE, parseReference } from "../oci/index.ts";
import type { ContentPlace } from "./content-home.ts";
import type { NewContent } from "./images.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRoom, type Room } from "./testing/room.ts";
import { sampleTar } from "./testing/sample-image.ts";

const TARS = [sampleTar({ a: "a".repeat(500) }), sampleTar({ b: "b".repeat(500) })];
const DIFF_IDS = TARS.map((tar) => digestOf(tar) as DiffId);
const TYPE = "application/vnd.example.config+json";

function contentOf(config: string, layers: NewContent["layers"], more: Partial<NewContent> = {}): NewContent {
  return {
    artifactType: "application/vnd.example",
    config: { mediaType: TYPE, bytes: Buffer.from(config) },
    layers,
    ...more,
  };
}
const at = (name: string): ContentPlace => ({ reference: parseReference(name) });

async function filled(): Promise<Room> {
  const room = await openRoom();
  for (const tar of TARS) await room.images.import(oneChunk(tar), {});
  return room;
}

/** Reads what is there into a room that has nothing. */
async function fetchAll(place: ContentPlace, registry?: Room["registry"]): Promise<string> {
  await using room = await openRoom(registry === undefined ? {} : { registry });
  const content = await room.images.readContent(place);
  const lease = room.store.leases.hold("test");
  const got: string[] = [];
  for (const [n, descriptor] of content.manifest.layers.entries()) {
    const diffId = DIFF_IDS[n];
    assert(diffId !== undefined);
    got.push((await content.fetchLayer({ descriptor, diffId }, lease)).diffId);
  }
  assert.deepEqual(got, DIFF_IDS.slice(0, got.length));
  return Buffer.from(content.config).toString();
}

describe("content of any type", () => {
  test("goes to a registry and comes back; again it sends nothing", async () => {
    await using room = await filled();
    const place = at("reg.example/cache:main");
    const content = contentOf("{}", DIFF_IDS);
    const put = await room.images.putContent(place, content);
    const manifest = JSON.parse(
      Buffer.from(room.registry.manifestOf("reg.example/cache", "main")?.bytes ?? "").toString(),
    );
    assert.deepEqual(
      [
        manifest.artifactType,
        manifest.config.mediaType,
        manifest.layers.map((each: never) => each["mediaType"]),
      ],
      ["application/vnd.example", TYPE, [MEDIA_TYPE.ociLayerGzip, MEDIA_TYPE.ociLayerGzip]],
    );
    room.registry.calls.length = 0;
    assert.deepEqual(await room.images.putContent(place, content), put);
    assert.equal(room.registry.count("PUT"), 0, room.registry.calls.join("\n"));
    assert.equal(await fetchAll(place, room.registry), "{}");
  });

  test("a new compression is for layers the place has not; forced, for all", async () => {
    await using room = await filled();
    const [first, second] = DIFF_IDS;
    assert(first !== undefined && second !== undefined);
    const place = at("reg.example/cache:z");
    await room.images.putContent(place, contentOf("{}", [first]));
    const typesOf = async (more: Partial<NewContent>) => {
      await room.images.putContent(place, contentOf("{}", [first, second], more));
      const { manifest } = await room.images.readContent(place);
      return manifest.layers.map(({ mediaType }) => mediaType.replace(/^.*\+/, ""));
    };
    assert.deepEqual(await typesOf({ compression: "zstd" }), ["gzip", "zstd"]);
    assert.deepEqual(await typesOf({ compression: "zstd", isCompressionForced: true }), ["zstd", "zstd"]);
  });

  test("a layer that is elsewhere at the registry is mounted from there", async () => {
    await using room = await filled();
    await room.images.putContent(at("reg.example/cache:main"), contentOf("{}", DIFF_IDS));
    await room.images.putContent(at("reg.example/other:main"), contentOf("{}", DIFF_IDS));
    assert.equal(room.registry.count("MOUNT"), 2);
    assert.equal(await fetchAll(at("reg.example/other:main"), room.registry), "{}");
  });

  describe("in a directory", () => {
    const inDirectory = async (work: (place: { directory: string; tag: string }) => Promise<void>) => {
      const directory = await mkdtemp(join(tmpdir(), "ply-content-"));
      try {
        await work({ directory, tag: "latest" });
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    };
    const blobs = (directory: string) => readdir(join(directory, "blobs/sha256"));

    test("is an OCI layout that other tags share, and does not grow", () =>
      inDirectory(async (place) => {
        await using room = await filled();
        const [first, second] = DIFF_IDS;
        assert(first !== undefined && second !== undefined);
        await room.images.putContent({ ...place, tag: "other" }, contentOf("{}", [first]));
        await room.images.putContent(place, contentOf("[1]", [first, second]));
        assert.equal((await blobs(place.directory)).length, 6);
        assert.equal(await fetchAll(place), "[1]");
        await room.images.putContent(place, contentOf("[2]", [first]));
        assert.equal(
          (await blobs(place.directory)).length,
          5,
          "the second layer, its config and manifest went",
        );
        assert.deepEqual([await fetchAll(place), await fetchAll({ ...place, tag: "other" })], ["[2]", "{}"]);
        const layout = await readFile(join(place.directory, "oci-layout"), "utf8");
        assert.deepEqual(JSON.parse(layout), { imageLayoutVersion: "1.0.0" });
        await assert.rejects(
          room.images.readContent({ ...place, tag: "none" }),
          (error) => isPlyError(error, "not-found") && error.hint === "it has other, latest",
        );
      }));

    test("changed, cut or linked elsewhere is refused", () =>
      inDirectory(async (place) => {
        await using room = await filled();
        await room.images.putContent(place, contentOf("{}", DIFF_IDS));
        const { manifest } = await room.images.readContent(place);
        const path = (digest: string) => join(place.directory, "blobs/sha256", hexOf(digest as DiffId));
        const [layer] = manifest.layers;
        assert(layer !== undefined);
        await truncate(path(layer.digest), layer.size - 1);
        await assert.rejects(fetchAll(place), (error) => isPlyError(error, "corrupt"));
        await rename(path(layer.digest), join(place.directory, "elsewhere"));
        await symlink(join(place.directory, "elsewhere"), path(layer.digest));
        await assert.rejects(fetchAll(place), (error) => isPlyError(error, "corrupt"));
        await writeFile(path(manifest.config.digest), "[]");
        await assert.rejects(fetchAll(place), (error) => isPlyError(error, "corrupt"));
        await rm(join(place.directory, "blobs"), { recursive: true });
        await mkdir(join(place.directory, "away"));
        await symlink(join(place.directory, "away"), join(place.directory, "blobs"));
        await assert.rejects(room.images.putContent(place, contentOf("{}", DIFF_IDS)), (error) =>
          isPlyError(error, "invalid"),
        );
        assert.deepEqual(await readdir(join(place.directory, "away")), []);
      }));
  });
});
