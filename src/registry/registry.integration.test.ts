import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import {
  type RegistryFixture,
  type RegistryFixtureOptions,
  registryIsMissing,
  startRegistry,
} from "../../test/support/registry.ts";
import { isPlyError, type PlyError } from "../error.ts";
import { digestOf, MEDIA_TYPE, parseManifest, parseReference, type Reference } from "../oci/index.ts";
import type { Credentials, FetchedManifest, RegistryClient, RegistryOptions } from "./client.ts";
import { openRegistry } from "./open-registry.ts";

const run = promisify(execFile);
const account = { username: "ply", password: "päss:word" };

function open(
  registry: RegistryFixture,
  options: Partial<RegistryOptions> = {},
): RegistryClient & Disposable {
  return openRegistry({
    userAgent: "ply tests",
    backoffMs: 1,
    certsDirs: registry.certsDir === undefined ? [] : [registry.certsDir],
    ...options,
  });
}

const reference = (registry: RegistryFixture, path: string, tag = "1"): Reference =>
  parseReference(`${registry.host}/${path}:${tag}`);

const blob = (size: number): { bytes: Buffer; digest: ReturnType<typeof digestOf>; size: number } => {
  const bytes = randomBytes(size);
  return { bytes, digest: digestOf(bytes), size };
};

async function* source(bytes: Uint8Array, piece = 70_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece);
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

function manifestOf(document: object): FetchedManifest {
  const bytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, ...document }),
  );
  return { bytes, mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(bytes) };
}

async function failure(work: Promise<unknown>): Promise<PlyError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(isPlyError(error), `not a PlyError: ${String(error)}`);
  return error;
}

const modes: [name: string, options: RegistryFixtureOptions, credentials: Credentials | undefined][] = [
  ["plain", {}, undefined],
  ["TLS", { tls: true }, undefined],
  ["basic auth", { htpasswd: account }, account],
  ["TLS with basic auth", { tls: true, htpasswd: account }, account],
  ["bearer tokens", { token: account }, account],
];

describe("against docker-registry", { skip: registryIsMissing }, () => {
  for (const [name, options, credentials] of modes)
    test(`${name}: a whole life of an image`, async () => {
      await using registry = await startRegistry(options);
      using client = open(registry, { credentialsFor: async () => credentials });
      const image = reference(registry, "team/app");
      const layer = blob(1_000_000);
      const config = blob(300);
      const empty = { bytes: Buffer.alloc(0), digest: digestOf(""), size: 0 };
      assert.equal(await client.hasBlob(image, layer.digest), false);
      assert.equal(await client.headManifest(image), undefined);
      const progress: number[] = [];
      for (const part of [layer, config, empty])
        assert.equal(
          await client.pushBlob(image, part, () => source(part.bytes), {
            onProgress: (sent) => progress.push(sent),
          }),
          "uploaded",
        );
      assert.ok(progress.includes(layer.size));
      assert.equal(await client.pushBlob(image, layer, () => source(layer.bytes)), "exists");

      const manifest = manifestOf({
        config: { mediaType: MEDIA_TYPE.ociConfig, digest: config.digest, size: config.size },
        layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: layer.digest, size: layer.size }],
      });
      await client.pushManifest(image, manifest);
      const fetched = await client.fetchManifest(image);
      assert.deepEqual(
        { ...fetched, bytes: Buffer.from(fetched.bytes) },
        { ...manifest, bytes: Buffer.from(manifest.bytes) },
      );
      assert.deepEqual(await client.headManifest(image), {
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.bytes.byteLength,
      });
      const descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest: layer.digest, size: layer.size };
      assert.ok((await collect(await client.openBlob(image, descriptor, 0))).equals(layer.bytes));
      assert.ok(
        (await collect(await client.openBlob(image, descriptor, 999_000))).equals(
          layer.bytes.subarray(999_000),
        ),
      );
      assert.equal((await collect(await client.openBlob(image, descriptor, layer.size))).length, 0);
      assert.ok(
        Buffer.from(
          await client.fetchBlob(image, { ...descriptor, digest: config.digest, size: config.size }),
        ).equals(config.bytes),
      );

      const other = reference(registry, "team/other");
      assert.equal(
        await client.pushBlob(other, layer, () => source(layer.bytes), {
          mountFrom: ["team/none", "team/app"],
        }),
        "mounted",
      );
      assert.deepEqual(await client.tags(image), ["1"]);
      assert.deepEqual(await client.catalog(registry.host), ["team/app", "team/other"]);

      // This registry deletes by digest only, and says so.
      assert.equal((await failure(client.deleteManifest(image))).kind, "unsupported");
      await client.deleteManifest({ ...image, digest: manifest.digest });
      assert.equal(await client.headManifest(image), undefined);
      assert.equal((await failure(client.fetchManifest(image))).details["code"], "MANIFEST_UNKNOWN");
    });

  test("an upload that is not what it says is refused, and leaves nothing", async () => {
    await using registry = await startRegistry();
    using client = open(registry);
    const image = reference(registry, "a");
    const { bytes, size } = blob(1000);
    const wrong = await failure(
      client.pushBlob(image, { digest: digestOf("other"), size }, () => source(bytes)),
    );
    assert.equal(wrong.kind, "corrupt");
    const digest = digestOf(bytes);
    assert.equal(
      (await failure(client.pushBlob(image, { digest, size: 2000 }, () => source(bytes)))).kind,
      "corrupt",
    );
    const broken = await failure(
      client.pushBlob(image, { digest, size }, async function* () {
        yield bytes.subarray(0, 10);
        throw new Error("disk on fire");
      }),
    );
    assert.match(broken.message, /disk on fire/);
    assert.equal(await client.hasBlob(image, digest), false);
  });

  test("referrers live under a tag where the registry has no list of them", async () => {
    await using registry = await startRegistry();
    using client = open(registry);
    const image = reference(registry, "a");
    const config = { mediaType: MEDIA_TYPE.ociEmpty, digest: digestOf("{}"), size: 2 };
    await client.pushBlob(image, config, () => source(Buffer.from("{}")));
    const subject = manifestOf({ config: { ...config, mediaType: MEDIA_TYPE.ociConfig }, layers: [] });
    await client.pushManifest(image, subject);
    const about = { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.byteLength };
    const signature = manifestOf({
      artifactType: "x/signature",
      config,
      layers: [],
      subject: about,
      annotations: { a: "b" },
    });
    const sbom = manifestOf({ artifactType: "x/sbom", config, layers: [], subject: about });
    const { tag: _tag, ...untagged } = image;
    assert.deepEqual(await client.referrers(image, subject.digest), []);
    for (const manifest of [signature, sbom, signature]) await client.pushManifest(untagged, manifest);
    const found = await client.referrers(image, subject.digest);
    assert.deepEqual(
      found.map(({ digest, artifactType, annotations }) => [digest, artifactType, annotations]),
      [
        [signature.digest, "x/signature", { a: "b" }],
        [sbom.digest, "x/sbom", undefined],
      ],
    );
    assert.equal((await client.referrers(image, subject.digest, "x/sbom")).length, 1);
  });

  test("a mirror is asked first, and forgiven everything", async () => {
    await using registry = await startRegistry();
    await using mirror = await startRegistry();
    const failures: string[] = [];
    using client = open(registry, {
      rules: [{ prefix: registry.host, mirrors: ["http://127.0.0.1:1", `${mirror.host}/sub`] }],
      onFallback: ({ host, error }) => failures.push(`${host} ${error.kind}`),
    });
    const image = reference(registry, "a");
    const config = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf("{}"), size: 2 };
    const manifest = manifestOf({ config, layers: [] });
    await client.pushBlob(image, config, () => source(Buffer.from("{}")));
    await client.pushManifest(image, manifest);
    assert.deepEqual(failures, []);
    assert.equal((await client.fetchManifest(image)).digest, manifest.digest);
    assert.equal(Buffer.from(await client.fetchBlob(image, config)).toString(), "{}");
    // One that is gone is left alone for a while; one that only lacks something is asked each time.
    assert.deepEqual(failures, [
      "127.0.0.1:1 unavailable",
      `${mirror.host} not-found`,
      `${mirror.host} not-found`,
    ]);
    using direct = open(mirror);
    const copy = reference(mirror, "sub/a");
    await direct.pushBlob(copy, config, () => source(Buffer.from("{}")));
    await direct.pushManifest(copy, manifest);
    await registry.stop();
    assert.equal((await client.fetchManifest(image)).digest, manifest.digest);
    assert.equal(Buffer.from(await client.fetchBlob(image, config)).toString(), "{}");
  });

  test("skopeo's image is ours, and ours is skopeo's", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "ply-skopeo-"));
    try {
      await run("skopeo", ["--version"]).catch(() => t.skip("skopeo is not installed"));
      await using registry = await startRegistry({ htpasswd: account });
      using client = open(registry, { credentialsFor: async () => account });
      const image = reference(registry, "ours");
      const layer = Buffer.alloc(1024);
      const config = Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
        }),
      );
      for (const bytes of [layer, config])
        await client.pushBlob(image, { digest: digestOf(bytes), size: bytes.byteLength }, () =>
          source(bytes),
        );
      const manifest = manifestOf({
        config: { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(config), size: config.byteLength },
        layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(layer), size: layer.byteLength }],
      });
      await client.pushManifest(image, manifest);
      const auth = join(dir, "auth.json");
      const pair = Buffer.from(`${account.username}:${account.password}`).toString("base64");
      await writeFile(auth, JSON.stringify({ auths: { [registry.host]: { auth: pair } } }));
      await run("skopeo", [
        ...[
          "copy",
          "--authfile",
          auth,
          "--src-tls-verify=false",
          "--dest-tls-verify=false",
          "--format",
          "v2s2",
        ],
        ...[`docker://${registry.host}/ours:1`, `docker://${registry.host}/theirs:1`],
      ]);
      const theirs = await client.fetchManifest(reference(registry, "theirs"));
      const parsed = parseManifest(theirs.bytes, theirs.mediaType);
      assert.equal(parsed.kind, "image");
      assert.equal(theirs.mediaType, MEDIA_TYPE.dockerManifest);
      const { stdout } = await run("skopeo", [
        ...["inspect", "--authfile", auth, "--tls-verify=false", "--format", "{{.Digest}}"],
        `docker://${registry.host}/theirs:1`,
      ]);
      assert.equal(stdout.trim(), theirs.digest);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describe("trust", { skip: registryIsMissing }, () => {
  test("a certificate by an unknown CA is refused, and never replaced by plain HTTP", async () => {
    await using registry = await startRegistry({ tls: true });
    using client = open(registry, { certsDirs: [] });
    const error = await failure(client.tags(reference(registry, "a")));
    assert.equal(error.kind, "unavailable");
    assert.match(error.message, /certificate of .* is not trusted/);
    assert.match(error.hint ?? "", /certs\.d/);
    using insecure = open(registry, { certsDirs: [], rules: [{ prefix: registry.host, insecure: true }] });
    assert.deepEqual(await insecure.catalog(registry.host), []);
  });

  test("certificates put into place are seen without a restart", async () => {
    await using registry = await startRegistry({ tls: true });
    const dir = await mkdtemp(join(tmpdir(), "ply-certs-"));
    try {
      using client = open(registry, { certsDirs: [dir] });
      await failure(client.catalog(registry.host));
      await run("cp", ["-r", `${registry.certsDir}/.`, dir]);
      assert.deepEqual(await client.catalog(registry.host), []);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("a plain registry is not reached by a location that says https", async () => {
    await using registry = await startRegistry();
    using client = open(registry, {
      retries: 0,
      rules: [{ prefix: "a.example", location: `https://${registry.host}` }],
    });
    assert.equal((await failure(client.tags(parseReference("a.example/x")))).kind, "unavailable");
  });
});

describe("login", { skip: registryIsMissing }, () => {
  const modesWithAccounts: [string, RegistryFixtureOptions][] = [
    ["basic auth", { htpasswd: account }],
    ["bearer tokens", { token: account }],
  ];
  for (const [name, options] of modesWithAccounts)
    test(`${name}: the right password and a wrong one`, async () => {
      await using registry = await startRegistry(options);
      using client = open(registry);
      const { identityToken } = await client.login(registry.host, account);
      assert.equal(identityToken, registry.tokens?.refreshToken);
      const error = await failure(client.login(registry.host, { ...account, password: "wrong" }));
      assert.equal(error.kind, "denied");
      assert.ok(!error.message.includes("wrong"));
    });

  test("an identity token is enough from then on", async () => {
    await using registry = await startRegistry({ token: account });
    const identityToken = registry.tokens?.refreshToken ?? "";
    using client = open(registry, { credentialsFor: async () => ({ identityToken }) });
    assert.deepEqual(await client.catalog(registry.host), []);
    assert.deepEqual(
      registry.tokens?.requests.map(({ grant }) => grant),
      ["refresh_token"],
    );
  });

  test("anonymous callers may pull where the registry lets them, and are told to log in where not", async () => {
    await using registry = await startRegistry({ token: { ...account, anonymousPull: true } });
    using client = open(registry);
    const image = reference(registry, "a");
    assert.equal(await client.headManifest(image), undefined);
    const { bytes, digest, size } = blob(10);
    const error = await failure(client.pushBlob(image, { digest, size }, () => source(bytes)));
    assert.equal(error.kind, "denied");
    assert.equal(error.hint, `ply login ${registry.host}`);
  });
});
