import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import { digestOf, MEDIA_TYPE, parseReference } from "../oci/index.ts";
import { openLeaseOwners } from "./lease-owners.ts";
import { openRoom } from "./testing/room.ts";
import { buildImage, publishImage, publishIndex, sampleTar } from "./testing/sample-image.ts";

const APP = "docker.io/library/app";
const base = { tar: sampleTar({ "etc/os-release": "base" }) };
const top = { tar: sampleTar({ "srv/app": "hello" }) };
const app = parseReference("app");

describe("pull fails clearly and leaves nothing", () => {
  const missing = (message: RegExp, kind: string) => (error: unknown) => {
    assert.ok(isPlyError(error) && error.kind === kind && message.test(error.message), String(error));
    return true;
  };

  test("no such tag, no such repository, no right to it", async () => {
    await using room = await openRoom();
    await assert.rejects(
      room.images.pull(parseReference("app:nope")),
      missing(/^manifest for app:nope not found: manifest unknown: manifest unknown$/, "not-found"),
    );
    const failing = (error: PlyError) => {
      room.registry.fetchManifest = () => Promise.reject(error);
    };
    failing(
      new PlyError("not-found", "repository name not known to registry", {
        details: { code: "NAME_UNKNOWN" },
      }),
    );
    await assert.rejects(
      room.images.pull(app),
      missing(
        /^pull access denied for app, repository does not exist or may require 'docker login'/,
        "not-found",
      ),
    );
    failing(new PlyError("denied", "requested access to the resource is denied"));
    await assert.rejects(
      room.images.pull(app),
      missing(/^pull access denied for app, .*: requested access/, "denied"),
    );
  });

  const hostile: [
    what: string,
    publish: (room: Awaited<ReturnType<typeof openRoom>>) => void,
    message: RegExp,
    kind: string,
  ][] = [
    [
      "an index that contains itself",
      ({ registry }) => {
        const digest = digestOf("self");
        const bytes = Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: MEDIA_TYPE.ociIndex,
            manifests: [{ mediaType: MEDIA_TYPE.ociIndex, digest, size: 1 }],
          }),
        );
        registry.addManifest(APP, "latest", bytes, MEDIA_TYPE.ociIndex);
        registry.fetchManifest = async () => ({ bytes, mediaType: MEDIA_TYPE.ociIndex, digest });
      },
      /contains itself/,
      "invalid",
    ],
    [
      "indexes without end",
      ({ registry }) => {
        let last = publishImage(registry, APP, undefined, { layers: [base] });
        let at = {
          digest: last.digest,
          size: last.manifest.length,
          mediaType: MEDIA_TYPE.ociManifest as string,
        };
        for (let depth = 0; depth < 6; depth++)
          at = {
            digest: publishIndex(registry, APP, "latest", [at]),
            size: 1,
            mediaType: MEDIA_TYPE.ociIndex,
          };
        last = publishImage(registry, APP, undefined, { layers: [base] });
      },
      /index of indexes/,
      "limit",
    ],
    [
      "schema 1",
      ({ registry }) =>
        void registry.addManifest(
          APP,
          "latest",
          Buffer.from('{"schemaVersion":1}'),
          MEDIA_TYPE.dockerSchema1,
        ),
      /no longer supported/,
      "unsupported",
    ],
    [
      "a config that names fewer layers",
      ({ registry }) => {
        const built = buildImage({ layers: [base, top] });
        const manifest = JSON.parse(built.manifest.toString());
        registry.addBlob(APP, built.config);
        const bytes = Buffer.from(JSON.stringify({ ...manifest, layers: manifest.layers.slice(0, 1) }));
        registry.addManifest(APP, "latest", bytes, MEDIA_TYPE.ociManifest);
      },
      /1 layers, but the config names 2/,
      "corrupt",
    ],
    [
      "a layer that is another than the config says",
      ({ registry }) => {
        const built = publishImage(registry, APP, undefined, { layers: [base] });
        const config = Buffer.from(
          JSON.stringify({
            ...JSON.parse(Buffer.from(built.config).toString()),
            rootfs: { type: "layers", diff_ids: [digestOf("other")] },
          }),
        );
        const manifest = JSON.parse(built.manifest.toString());
        registry.addBlob(APP, config);
        const bytes = Buffer.from(
          JSON.stringify({
            ...manifest,
            config: { ...manifest.config, digest: digestOf(config), size: config.length },
          }),
        );
        registry.addManifest(APP, "latest", bytes, MEDIA_TYPE.ociManifest);
      },
      /DiffID/,
      "corrupt",
    ],
    [
      "a layer the registry lost",
      ({ registry }) => {
        const built = publishImage(registry, APP, "latest", { layers: [base, top] });
        registry.removeBlob(APP, built.blobs[1]?.descriptor.digest ?? assert.fail());
      },
      /the registry has no blob/,
      "corrupt",
    ],
    [
      "a config the registry lost",
      ({ registry }) => {
        const built = publishImage(registry, APP, "latest", { layers: [base, top] });
        registry.removeBlob(APP, built.id);
      },
      /the registry has no blob .* the config/,
      "corrupt",
    ],
  ];
  for (const [what, publish, message, kind] of hostile)
    test(what, async () => {
      await using room = await openRoom();
      const { fetchManifest } = room.registry;
      publish(room);
      await assert.rejects(room.images.pull(app), missing(message, kind));
      assert.deepEqual([room.store.images.list(), room.store.layers.list()], [[], []]);
      room.registry.fetchManifest = fetchManifest;
      const good = publishImage(room.registry, "docker.io/library/good", "latest", { layers: [base] });
      assert.equal((await room.images.pull(parseReference("good"))).id, good.id);
    });

  test("a cancelled pull keeps finished layers for the next one, and garbage collection respects that", async () => {
    await using room = await openRoom({ limits: { layersAtOnce: 1 } });
    const built = publishImage(room.registry, APP, "latest", { layers: [base, top] });
    const stop = new AbortController();
    room.registry.onOpenBlob = async (digest) => {
      if (digest === built.blobs[1]?.descriptor.digest) stop.abort();
    };
    await assert.rejects(room.images.pull(app, { signal: stop.signal }), (error) =>
      isPlyError(error, "cancelled"),
    );
    await room.store.collectGarbage();
    assert.deepEqual(
      room.store.layers.list().map(({ diffId }) => diffId),
      [built.diffIds[0]],
    );
    assert.deepEqual(room.store.images.list(), []);
    room.registry.onOpenBlob = undefined;
    room.registry.calls.length = 0;
    await room.images.pull(app);
    assert.equal(room.registry.count(`GET blob ${APP} ${built.blobs[0]?.descriptor.digest}`), 0);
    await room.images.remove("app", { force: false, noPrune: false });
    assert.deepEqual(room.store.layers.list(), [], "the lease ended with the pull");
  });

  test("an interrupted pull is forgotten after a day", async () => {
    await using room = await openRoom({ limits: { layersAtOnce: 1 } });
    const built = publishImage(room.registry, APP, "latest", { layers: [base, top] });
    const stop = new AbortController();
    room.registry.onOpenBlob = async (digest) => {
      if (digest === built.blobs[1]?.descriptor.digest) stop.abort();
    };
    await assert.rejects(room.images.pull(app, { signal: stop.signal }));
    room.now += 25 * 60 * 60 * 1000;
    await room.store.collectGarbage();
    assert.deepEqual(room.store.layers.list(), []);
  });

  test("pruning everything takes what an interrupted pull left, pruning some does not", async () => {
    await using room = await openRoom({ limits: { layersAtOnce: 1 } });
    const built = publishImage(room.registry, APP, "latest", { layers: [base, top] });
    const stop = new AbortController();
    room.registry.onOpenBlob = async (digest) => {
      if (digest === built.blobs[1]?.descriptor.digest) stop.abort();
    };
    await assert.rejects(room.images.pull(app, { signal: stop.signal }));
    await room.images.prune({ filter: {}, all: false });
    await room.images.prune({ filter: { labels: ["x"] }, all: true });
    await room.images.prune({ filter: {}, all: true, keep: 1 });
    assert.equal(room.store.layers.list().length, 1);
    await room.images.prune({ filter: {}, all: true });
    assert.deepEqual(room.store.layers.list(), []);
  });

  test("of transfers that were killed only pulls keep what they have brought in", async () => {
    await using room = await openRoom();
    for (const owner of ["pull:x", "load:1", "import:2", "commit:3", "save:4", "push:x", "container:5"])
      room.store.leases.hold(owner, room.now + 1000);
    openLeaseOwners(room.store.leases, () => room.now);
    assert.deepEqual(room.store.leases.owners(), ["container:5", "pull:x"]);
  });

  test("two pulls of one name at once do not take each other's layers", async () => {
    await using room = await openRoom();
    const amd = publishImage(room.registry, APP, undefined, { layers: [base] });
    const arm = publishImage(room.registry, APP, undefined, {
      layers: [top],
      config: { architecture: "arm64" },
    });
    publishIndex(room.registry, APP, "latest", [
      { digest: amd.digest, size: amd.manifest.length, platform: "linux/amd64" },
      { digest: arm.digest, size: arm.manifest.length, platform: "linux/arm64" },
    ]);
    const gate = Promise.withResolvers<void>();
    room.registry.onOpenBlob = async (digest) => {
      if (digest === amd.blobs[0]?.descriptor.digest) await gate.promise;
    };
    const slow = room.images.pull(app);
    const quick = room.images.pull(app, { platform: { os: "linux", architecture: "arm64" } });
    await quick;
    await room.store.collectGarbage();
    gate.resolve();
    assert.equal((await slow).id, amd.id);
    await room.store.collectGarbage();
    assert.equal(room.store.layers.list().length, 2);
  });
});
