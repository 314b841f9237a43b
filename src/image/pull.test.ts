import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { digestOf, MEDIA_TYPE, parseReference } from "../oci/index.ts";
import { openRoom } from "./testing/room.ts";
import { publishImage, publishIndex, sampleTar } from "./testing/sample-image.ts";

const APP = "docker.io/library/app";
const base = { tar: sampleTar({ "etc/os-release": "base" }) };
const top = { tar: sampleTar({ "srv/app": "hello" }) };
const app = parseReference("app");
const short = (digest: string) => digest.slice(7, 19);

describe("pull", () => {
  test("brings manifest, config and layers in, and names the image", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, APP, "latest", { layers: [base, top] });
    const pulled = await room.images.pull(app, { onProgress: room.onProgress });
    assert.deepEqual(pulled, { id: built.id, digest: built.digest, changed: true });
    const record = room.images.resolve("app");
    assert.deepEqual(
      {
        names: record.names,
        repoDigests: record.repoDigests,
        diffIds: record.diffIds,
        manifests: record.manifests,
      },
      {
        names: [`${APP}:latest`],
        repoDigests: [`${APP}@${built.digest}`],
        diffIds: built.diffIds,
        manifests: [built.digest],
      },
    );
    assert.deepEqual(room.messages(), [
      "Pulling from library/app",
      `Digest: ${built.digest}`,
      "Status: Downloaded newer image for app:latest",
    ]);
    const [first] = built.blobs;
    assert.deepEqual(room.statuses()[short(first?.descriptor.digest ?? "")], [
      "Waiting",
      "Downloading",
      "Verifying",
      "Ready",
    ]);
    const total = room.progress.filter((item) => item.kind === "total").at(-1);
    const size = built.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    assert.deepEqual(
      {
        done: total?.bytesDone,
        total: total?.bytesTotal,
        layers: total?.layersDone,
        left: total?.secondsLeft,
      },
      { done: size, total: size, layers: 2, left: 0 },
    );
    assert.deepEqual(
      room.events.map(({ action, actor }) => [action, actor.id, actor.attributes["name"]]),
      [["pull", "app:latest", "app"]],
    );
  });

  test("what is up to date costs one HEAD", async () => {
    await using room = await openRoom();
    publishImage(room.registry, APP, "latest", { layers: [base, top] });
    await room.images.pull(app);
    room.registry.calls.length = 0;
    const again = await room.images.pull(app, { onProgress: room.onProgress });
    assert.equal(again.changed, false);
    assert.deepEqual(room.registry.calls, [`HEAD manifest ${APP} latest`]);
    assert.equal(room.messages().at(-1), "Status: Image is up to date for app:latest");
  });

  test("a moved tag brings only what is new, and the old image stays without it", async () => {
    await using room = await openRoom();
    const old = publishImage(room.registry, APP, "latest", { layers: [base] });
    await room.images.pull(app);
    publishImage(room.registry, APP, "latest", { layers: [base, top] });
    room.registry.calls.length = 0;
    await room.images.pull(app, { onProgress: room.onProgress });
    assert.equal(room.registry.count("GET blob"), 2, room.registry.calls.join("\n"));
    assert.deepEqual(room.images.resolve(old.id).names, []);
    const [shared] = old.blobs;
    assert.deepEqual(room.statuses()[short(shared?.descriptor.digest ?? "")], ["Already exists"]);
  });

  test("a layer that is here in another compression is not downloaded", async () => {
    await using room = await openRoom();
    publishImage(room.registry, APP, "gzip", { layers: [base, top] });
    const zstd = publishImage(room.registry, APP, "zstd", {
      layers: [
        { ...base, packing: "zstd" },
        { ...top, packing: "zstd" },
      ],
      config: { author: "another image" },
    });
    await room.images.pull(parseReference("app:gzip"));
    room.registry.calls.length = 0;
    await room.images.pull(parseReference("app:zstd"));
    assert.equal(room.registry.count(`GET blob ${APP}`), 1);
    assert.equal(room.registry.count(`GET blob ${APP} ${zstd.id}`), 1);
    // The manifest's word for it is not taken for a fact about the layer.
    const forms = room.store.layers.forms(room.images.resolve("app:zstd").diffIds[0] ?? assert.fail());
    assert.deepEqual(
      forms.map(({ mediaType }) => mediaType),
      [MEDIA_TYPE.ociLayerGzip],
    );
  });

  test("an index gives the image of the platform, and the name stands for the index", async () => {
    await using room = await openRoom();
    const amd = publishImage(room.registry, APP, undefined, { layers: [base] });
    const arm = publishImage(room.registry, APP, undefined, {
      layers: [top],
      config: { architecture: "arm64", variant: "v8" },
    });
    const entry = (image: typeof amd, platform: string) => ({
      digest: image.digest,
      size: image.manifest.length,
      platform,
    });
    const index = publishIndex(room.registry, APP, "latest", [
      entry(arm, "linux/arm64/v8"),
      entry(amd, "linux/amd64"),
    ]);
    const pulled = await room.images.pull(app);
    assert.deepEqual(pulled, { id: amd.id, digest: index, changed: true });
    assert.deepEqual(room.images.resolve("app").repoDigests, [`${APP}@${index}`]);
    assert.deepEqual([...room.images.resolve("app").manifests].sort(), [amd.digest, index].sort());
    assert.equal(room.images.resolve(`app@${amd.digest}`).id, amd.id);
    const other = await room.images.pull(app, { platform: { os: "linux", architecture: "arm64" } });
    assert.equal(other.id, arm.id);
    assert.equal((await room.images.pull(app)).id, amd.id, "the default platform is asked for again");
    await assert.rejects(
      room.images.pull(app, { platform: { os: "linux", architecture: "s390x" } }),
      (error: Error) =>
        isPlyError(error, "not-found") &&
        error.message.startsWith("no matching manifest for linux/s390x in the manifest list entries"),
    );
  });

  test("a single image of another platform is refused when a platform was asked for", async () => {
    await using room = await openRoom();
    publishImage(room.registry, APP, "latest", { layers: [base] });
    await assert.rejects(
      room.images.pull(app, { platform: { os: "linux", architecture: "arm64" } }),
      /was found but its platform \(linux\/amd64\) does not match the specified platform \(linux\/arm64\)/,
    );
    assert.deepEqual(room.store.layers.list(), []);
  });

  test("a pull by digest gives a repo digest and no name", async () => {
    await using room = await openRoom();
    const built = publishImage(room.registry, APP, "latest", { layers: [base] });
    await room.images.pull(parseReference(`app@${built.digest}`));
    const record = room.images.resolve(`app@${built.digest}`);
    assert.deepEqual([record.names, record.repoDigests], [[], [`${APP}@${built.digest}`]]);
    room.registry.calls.length = 0;
    assert.equal((await room.images.pull(parseReference(`app@${built.digest}`))).changed, false);
    assert.deepEqual(room.registry.calls, [], "a digest never moves");
  });

  test("all tags at once, each shared layer once, artifacts passed over", async () => {
    await using room = await openRoom();
    for (const tag of ["1", "2", "3"])
      publishImage(room.registry, APP, tag, { layers: [base, top], config: { author: tag } });
    const chart = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        artifactType: "application/chart",
        config: { mediaType: MEDIA_TYPE.ociEmpty, digest: digestOf("{}"), size: 2 },
        layers: [],
      }),
    );
    room.registry.addManifest(APP, "chart", chart, MEDIA_TYPE.ociManifest);
    const pulled = await room.images.pullAllTags(app, { onProgress: room.onProgress });
    assert.equal(new Set(pulled.map(({ id }) => id)).size, 3);
    assert.deepEqual(
      pulled.map(({ tag }) => tag),
      ["1", "2", "3"],
    );
    assert.equal(room.registry.count("GET blob"), 3 + 2);
    assert.match(
      room.messages().join("\n"),
      /Skipped chart: .*not a container image \(artifact type application\/chart\)/,
    );
  });
});
