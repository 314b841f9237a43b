import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { constants, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import {
  type HostileRegistry,
  OCI_INDEX,
  OCI_MANIFEST,
  startHostileRegistry,
} from "../support/hostile-registry.ts";
import { unless } from "../support/needs.ts";
import { sha256 } from "../support/oci-layout.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { busyboxMembers, type Member, tarball } from "../support/tarball.ts";

const MIB = 1 << 20;
const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);

/** Gzip of 6 GiB of zeros that just goes on: blocks that end at a byte can be repeated. */
function endlessGzip(): Buffer {
  const block = deflateRawSync(Buffer.alloc(MIB), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([GZIP_HEAD, ...Array.from({ length: 6 * 1024 }, () => block)]);
}

/** Zstandard of a tar with one file of 1 TiB, of which 6 GiB come: all of them zeros. */
function endlessZstd(): Buffer {
  const head = tarball([{ name: "sparse", claimedSize: 1024 * 1024 * MIB }]).subarray(0, 512);
  const frame = zstdCompressSync(Buffer.alloc(64 * MIB));
  return Buffer.concat([zstdCompressSync(head), ...Array.from({ length: 96 }, () => frame)]);
}

/** Blocks of the disk that a directory's files take, in bytes. */
function bytesOnDisk(directory: string): number {
  let sum = 0;
  for (const name of readdirSync(directory))
    sum += (statSync(join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  return sum;
}

let crowd: { readonly tar: Buffer; readonly blob: Buffer } | undefined;
/** Made once: a directory of 100,000 files. */
function crowdedLayer() {
  if (crowd === undefined) {
    const entries = Array.from({ length: 100_000 }, (_, index): Member => ({ name: `big/entry-${index}` }));
    const tar = tarball([...busyboxMembers(), ...entries]);
    crowd = { tar, blob: gzipSync(tar, { level: 1 }) };
  }
  return crowd;
}

for (const storageDriver of ["erofs", "overlay2"])
  describe(`hostile images and registries, on ${storageDriver}`, {
    skip: unless("root"),
    timeout: 300_000,
  }, () => {
    let engine: TestEngine;
    let registry: HostileRegistry;
    let canary: string;
    const good = tarball(busyboxMembers());

    before(async () => {
      engine = await startEngine({ storageDriver });
      canary = mkdtempSync(join(tmpdir(), "ply-canary-"));
    });
    after(async () => {
      await registry[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      rmSync(canary, { recursive: true, force: true });
    });
    beforeEach(async () => {
      await registry?.[Symbol.asyncDispose]();
      const left = (await engine.must(["images", "-aq"])).stdout.split("\n").filter((id) => id !== "");
      if (left.length > 0) await engine.must(["rmi", "-f", ...left]);
      registry = await startHostileRegistry();
    });

    /** The pull fails with these words, leaves nothing, and the next pull works. */
    async function refuses(
      image: string,
      words: RegExp,
      options: { readonly keepsPart?: boolean } = {},
    ): Promise<void> {
      const pulled = await engine.ply(["pull", `${registry.host}/${image}`]);
      assert.equal(pulled.code, 1, pulled.stdout);
      assert.match(pulled.stderr, words);
      assert.doesNotMatch(
        pulled.stderr,
        /internal|\bat .*\.ts:\d+|TypeError|undefined/,
        "an error a user can read",
      );
      assert.equal((await engine.must(["images", "-aq"])).stdout, "", "no partial image");
      const temporary = readdirSync(join(engine.root, "ingest")).filter(
        (name) => !(options.keepsPart && name.endsWith(".part")),
      );
      assert.deepEqual(temporary, [], "no temporary files");
      assert.deepEqual(readdirSync(canary), [], "nothing was written outside");
      const fresh = await startHostileRegistry();
      try {
        fresh.image("good", [{ tar: good, blob: gzipSync(good) }]);
        await engine.must(["pull", `${fresh.host}/good:1`]);
        const ran = await engine.must([
          "run",
          "--rm",
          "--network",
          "none",
          `${fresh.host}/good:1`,
          "echo",
          "fine",
        ]);
        assert.equal(ran.stdout, "fine\n");
        await engine.must(["rmi", "-f", `${fresh.host}/good:1`]);
      } finally {
        await fresh[Symbol.asyncDispose]();
      }
      const check = await engine.ply(["system", "check"]);
      assert.equal(check.code, 0, check.stdout + check.stderr);
    }

    const hostileLayer = (name: string, members: Member[]): void => {
      const tar = tarball([...busyboxMembers(), ...members]);
      registry.image(name, [{ tar, blob: gzipSync(tar) }]);
    };

    test("names that climb out of the root", async () => {
      hostileLayer("climb", [{ name: `${"../".repeat(12)}${canary.slice(1)}/escaped`, data: "x" }]);
      await refuses("climb:1", /outside|root|\.\./);
    });

    test("a hard link to a file outside the root", async () => {
      hostileLayer("hardlink", [{ name: "shadow", type: "1", link: "../../../../etc/shadow" }]);
      await refuses("hardlink:1", /shadow/);
    });

    test("absolute names, and files behind a symbolic link that leaves the root, stay inside", async () => {
      hostileLayer("inside", [
        { name: "/absolute", data: "inside\n" },
        { name: "out", type: "2", link: canary },
        { name: "out/escaped", data: "x" },
        { name: "up", type: "2", link: "../".repeat(12) + canary.slice(1) },
        { name: "up/escaped", data: "x" },
        { name: "etc/host-link", type: "2", link: "/etc/hostname" },
      ]);
      const pulled = await engine.ply(["pull", `${registry.host}/inside:1`]);
      assert.deepEqual(readdirSync(canary), []);
      if (pulled.code === 0) {
        const ran = await engine.ply([
          "run",
          "--rm",
          "--network",
          "none",
          `${registry.host}/inside:1`,
          "cat",
          "/absolute",
        ]);
        assert.equal(ran.stdout, "inside\n", ran.stderr);
        assert.deepEqual(readdirSync(canary), []);
        await engine.must(["rmi", "-f", `${registry.host}/inside:1`]);
      } else assert.match(pulled.stderr, /out\/escaped|symbolic link|symlink/);
    });

    const strange: readonly [string, Member[], RegExp][] = [
      ["a whiteout of the parent directory", [{ name: "etc/.wh..." }], /whiteout|\.wh\.\.\./],
      ["a whiteout behind ..", [{ name: "etc/../../.wh.passwd" }], /\.\./],
      ["a hard link to nothing", [{ name: "twin", type: "1", link: "nobody" }], /nobody/],
      ["a hard link to itself", [{ name: "narcissus", type: "1", link: "narcissus" }], /narcissus/],
      ["a name of 300 bytes", [{ name: "n".repeat(300) }], /n{20}/],
      [
        "a file that claims 8 EiB",
        [{ name: "whale", claimedSize: 2 ** 62 }],
        /size field is 4611686018427387904/,
      ],
      ["a file that claims 4 PiB", [{ name: "whale", claimedSize: 2 ** 52 }], /whale/],
      ["a name with a NUL", [{ name: "x", pax: { path: "nul\0byte" } }], /NUL|nul/],
      [
        "an attribute of a megabyte",
        [{ name: "x", xattrs: { "user.big": Buffer.alloc(MIB, "v") } }],
        /user\.big|PAX/,
      ],
    ];
    for (const [what, members, words] of strange)
      test(what, async () => {
        hostileLayer("strange", members);
        await refuses("strange:1", words);
      });

    test("a file that is also a directory, a directory that is also a file", async () => {
      hostileLayer("both", [
        { name: "both", data: "file" },
        { name: "both/inside", data: "inside" },
        { name: "home/inside", data: "inside" },
        { name: "home", data: "no directory any more" },
      ]);
      const pulled = await engine.ply(["pull", `${registry.host}/both:1`]);
      assert.equal(pulled.code, 0, pulled.stderr);
      const ran = await engine.must([
        ...["run", "--rm", "--network", "none", `${registry.host}/both:1`],
        ...["sh", "-c", "cat /both/inside /home"],
      ]);
      assert.equal(ran.stdout, "insideno directory any more");
      await engine.must(["rmi", "-f", `${registry.host}/both:1`]);
    });

    test("a config that is huge, no JSON, or counts other layers than the manifest", async () => {
      const publish = (name: string, config: string | Buffer, layers: readonly object[] = []): void => {
        const bytes = Buffer.from(config);
        const descriptor = {
          mediaType: "application/vnd.oci.image.config.v1+json",
          digest: sha256(bytes),
          size: bytes.length,
        };
        registry.blob(descriptor.digest, bytes);
        const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: descriptor, layers };
        registry.manifest(name, "1", JSON.stringify(manifest), OCI_MANIFEST);
      };
      publish("config-huge", Buffer.alloc(50_000_000, " "));
      await refuses("config-huge:1", /at most|limit/);
      publish("config-html", "<html></html>");
      await refuses("config-html:1", /config.*JSON/i);
      const rootfs = { type: "layers", diff_ids: [sha256(good), sha256("more")] };
      const config = JSON.stringify({ architecture: "amd64", os: "linux", config: {}, rootfs });
      publish("config-count", config, [
        { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: sha256(good), size: good.length },
      ]);
      await refuses("config-count:1", /1 layers?.*2|2 .*1 layers?/);
    });

    test("a layer of another digest than promised", async () => {
      registry.image("digest", [{ tar: good, blob: gzipSync(good), digest: sha256("something else") }]);
      await refuses("digest:1", /digest/);
    });

    test("a layer of another DiffID than the config says", async () => {
      registry.image("diffid", [{ tar: good, blob: gzipSync(good), diffId: sha256("something else") }]);
      await refuses("diffid:1", /diff ?id|DiffID/i);
    });

    for (const delta of [-10, 10])
      test(`a layer ${delta > 0 ? "shorter" : "longer"} than its descriptor says`, async () => {
        const blob = gzipSync(good);
        registry.image("size", [{ tar: good, blob, size: blob.length + delta }]);
        await refuses("size:1", /size|bytes|length/, { keepsPart: delta > 0 });
      });

    test("truncated gzip, corrupt gzip, no gzip at all", async () => {
      const blob = gzipSync(good);
      registry.image("truncated", [{ tar: good, blob: blob.subarray(0, blob.length >> 1) }]);
      await refuses("truncated:1", /gzip|truncated|end/);
      const corrupt = Buffer.from(blob);
      corrupt.fill(0xaa, corrupt.length >> 1, (corrupt.length >> 1) + 200);
      registry.image("corrupt", [{ tar: good, blob: corrupt }]);
      await refuses("corrupt:1", /gzip|corrupt/);
      registry.image("noise", [{ tar: good, blob: Buffer.from("no archive at all".repeat(100)) }]);
      await refuses("noise:1", /tar|gzip|header/);
    });

    // Before it is complete no storage driver sees a layer.
    if (storageDriver === "erofs")
      for (const [kind, make] of Object.entries({ gzip: endlessGzip, zstd: endlessZstd }))
        test(`an endless ${kind} of zeros stops at a limit, and fills no disk`, async () => {
          registry.image("bomb", [{ tar: good, blob: make() }]);
          let most = 0;
          const watch = setInterval(() => {
            most = Math.max(most, bytesOnDisk(join(engine.root, "ingest")));
          }, 20);
          try {
            await refuses("bomb:1", /inflates to more than 400 times its compressed size/);
          } finally {
            clearInterval(watch);
          }
          // What came from the registry, and what `refuses` pulls afterwards.
          assert.ok(most < 30_000_000, `${most} bytes on disk`);
        });

    test("a PAX header of many megabytes", async () => {
      const tar = tarball([{ name: "x", pax: { comment: Buffer.alloc(80_000_000, "c") } }]);
      registry.image("pax", [{ tar, blob: gzipSync(tar) }]);
      await refuses("pax:1", /PAX|header|limit/i);
    });

    test("a directory of 100,000 entries is fine", async () => {
      registry.image("entries", [crowdedLayer()]);
      await engine.must(["pull", `${registry.host}/entries:1`]);
      const ran = await engine.must([
        "run",
        "--rm",
        "--network",
        "none",
        `${registry.host}/entries:1`,
        "sh",
        "-c",
        "ls /big | wc -l",
      ]);
      assert.equal(ran.stdout.trim(), "100000");
      await engine.must(["rmi", "-f", `${registry.host}/entries:1`]);
    });

    test("a manifest of 50 MB, an HTML page, no JSON, schema 1", async () => {
      registry.manifest("huge", "1", `{"schemaVersion":2,"x":"${"x".repeat(50_000_000)}"}`, OCI_MANIFEST);
      await refuses("huge:1", /large|limit|bytes/);
      registry.manifest("html", "1", "<html><body>Welcome to the hotel's network</body></html>", "text/html");
      await refuses("html:1", /HTML|text\/html|not a (registry|manifest)/i);
      registry.manifest("json", "1", "{not json", OCI_MANIFEST);
      await refuses("json:1", /JSON/i);
      const schema1 = JSON.stringify({ schemaVersion: 1, name: "old", tag: "1", fsLayers: [], history: [] });
      registry.manifest("old", "1", schema1, "application/vnd.docker.distribution.manifest.v1+prettyjws");
      await refuses("old:1", /schema 1|schema version 1/i);
    });

    test("indexes that lead in circles, nowhere, or too deep", async () => {
      const descriptor = (bytes: string, type: string) => ({
        mediaType: type,
        digest: sha256(bytes),
        size: bytes.length,
      });
      const missing = JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [descriptor("nowhere", OCI_MANIFEST)],
      });
      registry.manifest("missing", "1", missing, OCI_INDEX);
      await refuses("missing:1", /has no manifest sha256:[0-9a-f]{64}, which its index names/);
      let inner = missing;
      for (let depth = 0; depth < 40; depth++) {
        registry.manifest("deep", sha256(inner), inner, OCI_INDEX);
        inner = JSON.stringify({
          schemaVersion: 2,
          mediaType: OCI_INDEX,
          manifests: [descriptor(inner, OCI_INDEX)],
        });
      }
      registry.manifest("deep", "1", inner, OCI_INDEX);
      await refuses("deep:1", /nested|deep|no matching/);
      const circle = JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [{ mediaType: OCI_INDEX, digest: sha256("circle"), size: 100 }],
      });
      registry.manifest("circle", "1", circle, OCI_INDEX);
      registry.manifest("circle", sha256("circle"), circle, OCI_INDEX);
      await refuses("circle:1", /digest|nested|circle|size/);
    });

    test("layer names in a manifest that are no digests, negative sizes", async () => {
      const config = {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: "sha256:../../../../etc/passwd",
        size: 10,
      };
      registry.manifest(
        "path",
        "1",
        JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] }),
        OCI_MANIFEST,
      );
      await refuses("path:1", /digest/);
      const negative = { ...config, digest: sha256("x"), size: -5 };
      registry.manifest(
        "negative",
        "1",
        JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config: negative, layers: [] }),
        OCI_MANIFEST,
      );
      await refuses("negative:1", /size/);
    });

    test("archives: a load that is cut, lies or escapes leaves nothing", async () => {
      const layer = gzipSync(good);
      const manifest = JSON.stringify([
        { Config: "config.json", RepoTags: ["evil:1"], Layers: ["../../layer.tar"] },
      ]);
      const archives: readonly (readonly [string, Buffer, RegExp])[] = [
        [
          "escape",
          tarball([
            { name: "manifest.json", data: manifest },
            { name: "../../layer.tar", data: layer },
          ]),
          /layer|config/,
        ],
        ["missing members", tarball([{ name: "manifest.json", data: manifest }]), /config\.json|layer/],
        [
          "cut",
          tarball([{ name: "a", data: Buffer.alloc(5000) }]).subarray(0, 2000),
          /truncated|end|unexpected/i,
        ],
        ["empty", Buffer.alloc(0), /empty|archive/i],
        ["noise", Buffer.alloc(10_000, "noise"), /tar|archive|header/i],
        // One member that never ends, in an archive that is compressed itself.
        ...(storageDriver === "erofs"
          ? [["bomb", endlessZstd(), /inflates to more than 400 times its compressed size/] as const]
          : []),
      ];
      for (const [name, archive, words] of archives) {
        const loaded = await engine.ply(["load"], { stdin: archive });
        assert.equal(loaded.code, 1, name);
        assert.match(loaded.stderr, words, name);
        assert.equal((await engine.must(["images", "-aq"])).stdout, "", name);
        assert.deepEqual(readdirSync(join(engine.root, "ingest")), [], name);
      }
      assert.ok(!existsSync(join(engine.root, "..", "layer.tar")));
      assert.equal((await engine.ply(["system", "check"])).code, 0);
    });
  });
