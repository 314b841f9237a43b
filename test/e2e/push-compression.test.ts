import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { must, until } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { tarball } from "../support/tarball.ts";

const skip = unless("root", "docker-registry", "skopeo", "crun", "conmon");
const NAME = "localhost/bytes:1";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("layers on their way out", { skip }, () => {
  let home: string;
  let engine: TestEngine;
  /** Some blocks for each thread. */
  const program = readFileSync(PLY_BINARY);
  const tar = tarball([{ name: "program", data: program.subarray(0, 7_000_000) }]);
  before(async () => {
    home = mkdtempSync(join(tmpdir(), "ply-outgoing-"));
    engine = await startEngine();
    await engine.must(["import", "-", NAME], { stdin: tar });
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  const layerOf = (manifest: string) => JSON.parse(manifest).layers[0] as { digest: string; size: number };
  const skopeo = async (...args: string[]) => (await must("skopeo", args)).stdout;
  const manifestAt = (reference: string) =>
    skopeo("inspect", "--raw", "--tls-verify=false", `docker://${reference}`);

  test("are the same bytes from any engine, for any registry and in an archive; levels above 2 are zlib's; others read them", async () => {
    await using registry = await startRegistry();
    const sent = `${registry.host}/bytes:1`;
    await engine.must(["tag", NAME, sent]);
    await engine.must(["push", "-q", sent]);
    const layer = layerOf(await manifestAt(sent));

    await using elsewhere = await startRegistry();
    await using single = await startEngine({ within: ["taskset", "-c", "0"] });
    await single.must(["import", "-", `${elsewhere.host}/bytes:1`], { stdin: tar });
    await single.must(["push", "-q", `${elsewhere.host}/bytes:1`]);
    assert.deepEqual(layerOf(await manifestAt(`${elsewhere.host}/bytes:1`)), layer);

    const layout = join(home, "layout");
    const build = (...flags: string[]) =>
      engine.must(["build", "-q", ...flags, "-"], { stdin: `FROM ${NAME}\n` });
    await build("-o", `type=oci,tar=false,dest=${layout}`);
    const archived = readFileSync(join(layout, "blobs", layer.digest.replace(":", "/")));
    assert.equal(archived.length, layer.size);
    assert.ok(gunzipSync(archived).equals(tar));
    assert.equal(
      archived.subarray(-4).readUInt32LE(),
      tar.length,
      "one member, with the length of all of it",
    );

    const small = `${elsewhere.host}/small:1`;
    await build("-o", `type=registry,name=${small},compression-level=6`);
    const deflated = layerOf(await manifestAt(small));
    assert.notEqual(deflated.digest, layer.digest);
    for (const [n, reference] of [sent, small].entries()) {
      const plain = join(home, `plain-${n}`);
      const flags = ["-q", "--src-tls-verify=false", "--dest-decompress"];
      await skopeo("copy", ...flags, `docker://${reference}`, `dir:${plain}`);
      assert.ok(readdirSync(plain).includes(sha256(tar)));
    }
  });

  test("an abandoned push ends at once and leaves nothing; the next one works", async () => {
    await using registry = await startRegistry();
    const big = tarball([{ name: "program", data: program }]);
    const path = join(home, "big.tar");
    writeFileSync(path, big);
    const name = `${registry.host}/big`;
    await engine.must(["import", path, `${name}:1`]);
    const ingest = () => readdirSync(join(engine.root, "ingest"));
    await new Promise<void>((resolve, reject) => {
      const push = request(
        {
          socketPath: engine.socket,
          method: "POST",
          path: `/images/${name}/push?tag=1`,
          headers: { "X-Registry-Auth": "e30=" },
        },
        (answer) => {
          answer.on("data", (text: Buffer) => {
            if (!text.includes("Preparing")) return;
            assert.equal(ingest().length, 1);
            push.destroy();
            resolve();
          });
          answer.on("error", () => undefined);
          answer.on("end", () => reject(new Error("the push ended")));
        },
      );
      push.on("error", () => undefined);
      push.end();
    });
    await until("nothing is left", async () => ingest().length === 0);
    assert.deepEqual(JSON.parse(await (await fetch(`${registry.url}/v2/_catalog`)).text()).repositories, []);
    await engine.must(["push", "-q", `${name}:1`]);
    assert.deepEqual(ingest(), []);
    assert.ok(layerOf(await manifestAt(`${name}:1`)).size < big.length);
  });
});
