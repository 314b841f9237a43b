import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ErrorKind, isPlyError } from "../error.ts";
import { digestOf } from "./digest.ts";
import { MAX_LAYERS, MAX_MANIFEST_BYTES } from "./limits.ts";
import { MEDIA_TYPE } from "./manifest.ts";
import { parseImageConfig } from "./parse-config.ts";
import { parseManifest } from "./parse-manifest.ts";

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const digest = digestOf("x");
const config = { mediaType: MEDIA_TYPE.ociConfig, digest, size: 3 };
const layer = { mediaType: MEDIA_TYPE.ociLayerGzip, digest, size: 10 };
const image = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests: [{ ...config, mediaType: MEDIA_TYPE.ociManifest }],
};

describe("parseManifest", () => {
  test("an OCI image keeps annotations, urls and fields nobody knows", () => {
    const document = {
      ...image,
      annotations: { a: "b" },
      layers: [{ ...layer, urls: ["https://example.com/x"], "x-new": [1] }],
      "x-top": { y: 1 },
    };
    assert.deepEqual(parseManifest(bytesOf(document)), {
      kind: "image",
      mediaType: MEDIA_TYPE.ociManifest,
      manifest: document,
    });
  });

  test("Docker's schema 2, announced by its Content-Type only", () => {
    const { mediaType: _mediaType, ...bare } = {
      ...image,
      config: { ...config, mediaType: MEDIA_TYPE.dockerConfig },
    };
    const parsed = parseManifest(bytesOf(bare), MEDIA_TYPE.dockerManifest);
    assert.equal(parsed.kind, "image");
    assert.equal(parsed.mediaType, MEDIA_TYPE.dockerManifest);
  });

  test("an announcement that says nothing is overruled by the body", () => {
    assert.equal(parseManifest(bytesOf(image), "application/json").kind, "image");
    assert.equal(parseManifest(bytesOf(index), "text/plain").kind, "index");
    const { mediaType: _mediaType, ...bare } = index;
    assert.equal(parseManifest(bytesOf(bare)).mediaType, MEDIA_TYPE.ociIndex);
  });

  test("artifacts are recognised and kept intact", () => {
    const empty = { mediaType: MEDIA_TYPE.ociEmpty, digest: digestOf("{}"), size: 2, data: "e30=" };
    const signature = { ...image, artifactType: "application/x-signature", config: empty, subject: layer };
    assert.deepEqual(parseManifest(bytesOf(signature)), {
      kind: "artifact",
      mediaType: MEDIA_TYPE.ociManifest,
      manifest: signature,
    });
    const chart = { ...image, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } };
    assert.equal(parseManifest(bytesOf(chart)).kind, "artifact");
  });

  test("null lists, as Go writes them, are empty ones", () => {
    const parsed = parseManifest(bytesOf({ ...image, layers: null, annotations: null }));
    assert.deepEqual(parsed.kind === "image" && parsed.manifest.layers, []);
    assert.ok(parsed.kind === "image" && !("annotations" in parsed.manifest));
  });

  const wrong: [name: string, document: unknown, kind: ErrorKind, message: RegExp, type?: string][] = [
    ["schema 1", { schemaVersion: 1, name: "x", fsLayers: [] }, "unsupported", /schema 1/],
    ["schema 1 by type", image, "unsupported", /schema 1/, MEDIA_TYPE.dockerSchema1Signed],
    ["no schemaVersion", { ...image, schemaVersion: undefined }, "invalid", /schemaVersion missing/],
    ["both kinds of content", { ...image, manifests: [] }, "invalid", /ambiguous/],
    [
      "a type that its fields deny",
      { ...image, mediaType: MEDIA_TYPE.ociIndex },
      "invalid",
      /fields say otherwise/,
    ],
    ["an announcement that its type denies", image, "invalid", /announced as/, MEDIA_TYPE.ociIndex],
    ["an unknown type", { ...image, mediaType: "application/x" }, "unsupported", /unsupported manifest type/],
    ["a list", [], "invalid", /must be an object/],
    ["no config", { ...image, config: undefined }, "invalid", /manifest\.config must be an object/],
    ["a negative size", { ...image, layers: [{ ...layer, size: -1 }] }, "invalid", /layers\[0\]\.size/],
    ["a fractional size", { ...image, layers: [{ ...layer, size: 1.5 }] }, "invalid", /layers\[0\]\.size/],
    [
      "a size beyond 2^53",
      { ...image, layers: [{ ...layer, size: 2 ** 53 }] },
      "invalid",
      /layers\[0\]\.size/,
    ],
    ["a size in words", { ...image, layers: [{ ...layer, size: "1" }] }, "invalid", /layers\[0\]\.size/],
    [
      "a wrong digest",
      { ...image, layers: [{ ...layer, digest: "sha256:zz" }] },
      "invalid",
      /layers\[0\]\.digest/,
    ],
    [
      "a digest with a path",
      { ...image, config: { ...config, digest: "sha256:../../x" } },
      "invalid",
      /config\.digest/,
    ],
    [
      "an unknown algorithm",
      { ...image, config: { ...config, digest: "md5:00" } },
      "unsupported",
      /config\.digest/,
    ],
    ["layers that are no list", { ...image, layers: {} }, "invalid", /manifest\.layers must be a list/],
    ["too many layers", { ...image, layers: new Array(MAX_LAYERS + 1).fill(1) }, "limit", /3001 entries/],
    ["an annotation that is no text", { ...image, annotations: { a: 1 } }, "invalid", /annotations\["a"\]/],
    [
      "a platform without os",
      { ...index, manifests: [{ ...layer, platform: {} }] },
      "invalid",
      /platform\.os/,
    ],
  ];
  for (const [name, document, kind, message, type] of wrong)
    test(`refuses ${name}`, () => {
      assert.throws(
        () => parseManifest(bytesOf(document), type),
        (error) => isPlyError(error, kind) && message.test(error.message),
      );
    });

  test("refuses what is no JSON, and what is too long before looking at it", () => {
    const refuses = (bytes: Uint8Array, kind: ErrorKind): void =>
      assert.throws(
        () => parseManifest(bytes),
        (error) => isPlyError(error, kind),
      );
    refuses(new TextEncoder().encode("<html>"), "invalid");
    refuses(new Uint8Array([0x22, 0xff, 0x22]), "invalid");
    refuses(new TextEncoder().encode("[".repeat(100_000)), "invalid");
    refuses(new Uint8Array(MAX_MANIFEST_BYTES + 1), "limit");
  });
});

describe("parseImageConfig", () => {
  const minimal = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [digest] } };

  test("keeps what it does not know", () => {
    const document = {
      ...minimal,
      created: "2024-01-01T00:00:00Z",
      config: { Env: ["A=b"], Cmd: null, Labels: { l: "1" }, ExposedPorts: { "80/tcp": {} }, "X-New": 1 },
      history: [{ created_by: "x", empty_layer: true, extra: 1 }],
      "moby.buildkit.cache.v0": "abc",
    };
    assert.deepEqual(parseImageConfig(bytesOf(document)), document);
  });

  test("takes what Docker takes", () => {
    const parsed = parseImageConfig(
      bytesOf({
        rootfs: { type: "layers", diff_ids: null },
        config: { Cmd: "sh", Entrypoint: ["a"], Env: null, User: null },
        history: [{ created_by: "a" }, { created_by: "b", comment: null }],
      }),
    );
    assert.deepEqual(parsed, {
      os: "linux",
      architecture: "",
      rootfs: { type: "layers", diff_ids: [] },
      config: { Cmd: ["sh"], Entrypoint: ["a"] },
      history: [{ created_by: "a" }, { created_by: "b" }],
    });
  });

  const wrong: [name: string, change: object, message: RegExp][] = [
    ["no rootfs", { rootfs: undefined }, /no rootfs/],
    ["another rootfs", { rootfs: { type: "blocks" } }, /rootfs\.type must be "layers"/],
    ["a wrong diff_id", { rootfs: { type: "layers", diff_ids: ["x"] } }, /diff_ids\[0\]/],
    ["Env that is no list", { config: { Env: "A=b" } }, /config\.config\.Env/],
    ["Env of numbers", { config: { Env: [1] } }, /Env\[0\] must be a string/],
    ["Labels of numbers", { config: { Labels: { a: 1 } } }, /Labels\["a"\]/],
    ["history that is no list", { history: {} }, /config\.history must be a list/],
    ["an os that is no text", { os: 1 }, /config\.os must be a string/],
    ["StopTimeout of -1", { config: { StopTimeout: -1 } }, /StopTimeout/],
  ];
  for (const [name, change, message] of wrong)
    test(`refuses ${name}`, () => {
      assert.throws(
        () => parseImageConfig(bytesOf({ ...minimal, ...change })),
        (error) => isPlyError(error, "invalid") && message.test(error.message),
      );
    });
});
