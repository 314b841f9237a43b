import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { unless } from "../../test/support/needs.ts";
import { writeOciLayout } from "../../test/support/oci-layout.ts";
import { type RegistryFixture, registryIsMissing, startRegistry } from "../../test/support/registry.ts";
import { isPlyError } from "../error.ts";
import { digestOf, parseReference, type Reference } from "../oci/index.ts";
import { overlay2Driver, type SnapshotDriver } from "../snapshot/index.ts";
import { readTar } from "../tar/index.ts";
import { oneChunk } from "./testing/plain-ingest.ts";
import { openRealRoom, type RealRoom } from "./testing/real-room.ts";
import { sampleTar } from "./testing/sample-image.ts";

const run = promisify(execFile);
const skip =
  registryIsMissing ||
  (process.versions["bun"] === undefined && "storage drivers make system calls, for which they need Bun") ||
  unless("skopeo", "root");

/** The driver that works on any kernel: nothing here is about mounts. */
const room = (): Promise<RealRoom> => openRealRoom((roots): SnapshotDriver => overlay2Driver(roots));
const skopeo = (...args: string[]) => run("skopeo", args);
const noTls = ["--src-tls-verify=false", "--dest-tls-verify=false"];

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

describe("images and their real peers", { skip }, () => {
  let dir = "";
  let registry: RegistryFixture;
  const published = new Map<string, { readonly manifestDigest: string; readonly imageId: string }>();
  const at = (name: string): Reference => parseReference(`${registry.host}/${name}`);
  const imageOf = (tag: string) => published.get(tag) ?? assert.fail(`no image ${tag}`);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "ply-image-test-"));
    registry = await startRegistry();
    const base = { tar: sampleTar({ "etc/os-release": "base\n".repeat(2000) }) };
    const top = { tar: sampleTar({ "srv/app": "app\n".repeat(3000), "srv/.wh.old": "" }) };
    writeOciLayout(join(dir, "layout"), [
      { tag: "oci", layers: [base, top] },
      { tag: "zstd", layers: [{ ...base, packing: "zstd" }, top] },
      { tag: "plain", layers: [{ ...base, packing: "none" }] },
    ]);
    for (const tag of ["oci", "docker", "zstd", "plain"]) {
      const from = `oci:${join(dir, "layout")}:${tag === "docker" ? "oci" : tag}`;
      const to = `docker://${registry.host}/app:${tag}`;
      await skopeo("copy", ...noTls, ...(tag === "docker" ? ["--format", "v2s2"] : []), from, to);
      const { stdout } = await run("skopeo", ["inspect", "--raw", "--tls-verify=false", to], {
        encoding: "buffer",
      });
      const manifest = JSON.parse(stdout.toString());
      published.set(tag, { manifestDigest: digestOf(stdout), imageId: manifest.config.digest });
    }
  });

  after(async () => {
    await registry?.stop();
    if (dir !== "") await rm(dir, { recursive: true, force: true });
  });

  for (const tag of ["oci", "docker", "zstd", "plain"])
    test(`${tag}: pulled as skopeo pushed it, and pushed back under the same digest`, async () => {
      await using here = await room();
      const image = imageOf(tag);
      const pulled = await here.images.pull(at(`app:${tag}`));
      assert.deepEqual([pulled.id, pulled.digest], [image.imageId, image.manifestDigest]);
      assert.equal((await here.images.pull(at(`app:${tag}`))).changed, false);
      await here.images.tag(`${registry.host}/app:${tag}`, at(`copy-${tag}:1`));
      const statuses = new Set<string>();
      const pushed = await here.images.push(at(`copy-${tag}:1`), {
        onProgress: (progress) => void (progress.kind === "layer" && statuses.add(progress.status)),
      });
      assert.equal(pushed.digest, image.manifestDigest);
      assert.deepEqual([...statuses], ["Mounted"]);
      const { stdout } = await skopeo(
        "inspect",
        "--tls-verify=false",
        `docker://${registry.host}/copy-${tag}:1`,
      );
      assert.equal(JSON.parse(stdout).Digest, image.manifestDigest);
    });

  test("to another registry: compressed anew, and skopeo finds the same image there", async () => {
    await using here = await room();
    await using other = await startRegistry();
    await here.images.pull(at("app:docker"));
    await here.images.tag(`${registry.host}/app:docker`, parseReference(`${other.host}/app:1`));
    const first = await here.images.push(parseReference(`${other.host}/app:1`));
    const target = join(dir, "from-other");
    await skopeo("copy", ...noTls, `docker://${other.host}/app:1`, `dir:${target}`);
    const manifest = JSON.parse(await readFile(join(target, "manifest.json"), "utf8"));
    assert.equal(manifest.config.digest, imageOf("docker").imageId);
    assert.equal((await here.images.push(parseReference(`${other.host}/app:1`))).digest, first.digest);
    assert.deepEqual(await readdir(join(here.root, "ingest")), []);
  });

  test("a form that the registry has nowhere any more gives way to a new one", async () => {
    await using here = await room();
    await using other = await startRegistry();
    await skopeo("copy", ...noTls, `docker://${registry.host}/app:oci`, `docker://${other.host}/app:1`);
    await here.images.pull(parseReference(`${other.host}/app:1`));
    await other.stop();
    await using fresh = await startRegistry();
    // The same registry by name as far as ply knows: it claims to have the layers, and has not.
    const { record } = { record: here.images.resolve(`${other.host}/app:1`) };
    const [manifest] = record.manifests;
    here.store.images.addRepoDigest(`${fresh.host}/app@${manifest}`, record.id, manifest ?? assert.fail());
    await here.images.tag(`${other.host}/app:1`, parseReference(`${fresh.host}/copy:1`));
    await here.images.push(parseReference(`${fresh.host}/copy:1`));
    await using elsewhere = await room();
    assert.equal((await elsewhere.images.pull(parseReference(`${fresh.host}/copy:1`))).id, record.id);
  });

  test("all tags, sharing their layers", async () => {
    await using here = await room();
    const pulled = await here.images.pullAllTags(at("app"));
    assert.deepEqual(
      pulled.map(({ id }) => id).sort(),
      ["docker", "oci", "plain", "zstd"].map((tag) => imageOf(tag).imageId).sort(),
    );
    assert.equal(here.store.layers.list().length, 2);
  });

  test("skopeo reads what save writes, in both layouts, and load reads what skopeo writes", async () => {
    await using here = await room();
    await here.images.pull(at("app:oci"));
    const name = `${registry.host}/app:oci`;
    const { imageId } = imageOf("oci");
    for (const format of ["docker", "oci"] as const) {
      const path = join(dir, `saved-${format}.tar`);
      await writeFile(path, await here.images.save([name], { format }));
      for (const transport of format === "docker" ? ["docker-archive", "oci-archive"] : ["oci-archive"]) {
        const { stdout } = await skopeo("inspect", "--config", "--raw", `${transport}:${path}`);
        assert.equal(
          (await skopeo("inspect", "--raw", `${transport}:${path}`)).stdout.includes(imageId),
          true,
        );
        assert.equal(JSON.parse(stdout).os, "linux");
        const back = join(dir, `back-${format}-${transport}.tar`);
        await skopeo("copy", "-q", `${transport}:${path}`, `${transport}:${back}:${name}`);
        await using other = await room();
        assert.deepEqual(await other.images.load(createReadStream(back)), [{ name, id: imageId }]);
      }
    }
  });

  test("an OCI archive of skopeo's keeps its manifest", async () => {
    await using here = await room();
    const path = join(dir, "from-skopeo.tar");
    await skopeo(
      "copy",
      ...noTls,
      `docker://${registry.host}/app:oci`,
      `oci-archive:${path}:${registry.host}/app:oci`,
    );
    await here.images.load(createReadStream(path));
    const pushed = await here.images.push(at("app:oci"));
    assert.equal(pushed.digest, imageOf("oci").manifestDigest);
  });

  test("a commit brings what changed as one layer, and nothing where nothing did", async () => {
    await using here = await room();
    await here.images.pull(at("app:oci"));
    const parent = here.images.resolve(`${registry.host}/app:oci`);
    const upper = join(dir, "upper");
    await mkdir(join(upper, "srv"), { recursive: true });
    await writeFile(join(upper, "srv/new"), "fresh");
    await run("mknod", [join(upper, "srv/app"), "c", "0", "0"]);
    const { config = {} } = await here.images.configOf(parent.id);
    const source = {
      parent,
      containerId: "c".repeat(64),
      config: { ...config, Cmd: ["sh", "-c", "work"] },
      upper,
    };
    const id = await here.images.commit(source, {
      reference: parseReference("mine:1"),
      author: "me",
      comment: "it works",
      changes: ["ENV A=1", 'CMD ["/srv/new"]'],
    });
    const record = here.images.resolve("mine:1");
    assert.deepEqual(
      [record.id, record.parentId, record.diffIds.slice(0, 2)],
      [id, parent.id, parent.diffIds],
    );
    const made = await here.images.configOf(record.id);
    assert.deepEqual(made.config?.Cmd, ["/srv/new"]);
    const [row] = await here.images.history("mine:1");
    assert.deepEqual([row?.createdBy, row?.comment, row?.size], ["sh -c work", "it works", 5]);
    const layer = here.store.layers.get(record.diffIds[2] ?? assert.fail()) ?? assert.fail();
    const names: string[] = [];
    for await (const { entry } of readTar(await lastLayer(here, record.id))) names.push(entry.path);
    assert.deepEqual(names.sort(), ["srv/", "srv/.wh.app", "srv/new"]);
    assert.equal(layer.entryCount, 3);

    const nothing = join(dir, "nothing");
    await mkdir(nothing);
    await here.images.commit({ ...source, upper: nothing }, { reference: parseReference("mine:2") });
    assert.deepEqual(here.images.resolve("mine:2").diffIds, parent.diffIds);
    assert.equal((await here.images.history("mine:2"))[0]?.emptyLayer, true);
    await here.store.collectGarbage();
    assert.equal(here.store.layers.list().length, 3, "the empty layer did not stay");
  });

  test("pulls, removals and prunes side by side never lose what another needs", async () => {
    await using here = await room();
    const tags = ["oci", "docker", "zstd", "plain"];
    const pull = (tag: string) => here.images.pull(at(`app:${tag}`));
    const quietly = async (work: Promise<unknown>) => {
      try {
        await work;
      } catch (error) {
        assert.ok(isPlyError(error, "not-found") || isPlyError(error, "conflict"), String(error));
      }
    };
    for (let round = 0; round < 5; round++)
      await Promise.all([
        ...tags.map(pull),
        quietly(
          here.images.remove(`${registry.host}/app:${tags[round % 4]}`, { force: true, noPrune: false }),
        ),
        here.images.prune({ filter: {}, all: true }),
        here.store.collectGarbage(),
      ]);
    for (const tag of tags) await pull(tag);
    const report = await here.store.check({
      repair: false,
      openTar: (layer) => here.snapshots.openTar(layer),
      foreignOrphans: (known) => here.snapshots.orphans(known),
    });
    assert.deepEqual(report.problems, []);
    for (const tag of tags) {
      const record = here.images.resolve(`${registry.host}/app:${tag}`);
      for (const diffId of record.diffIds) assert.ok(here.store.layers.get(diffId), diffId);
    }
  });

  async function lastLayer(here: RealRoom, id: string): Promise<AsyncIterable<Uint8Array>> {
    const archive = await collect(await here.images.save([id], { format: "docker" }));
    const record = here.images.resolve(id);
    const wanted = `blobs/sha256/${record.diffIds.at(-1)?.slice("sha256:".length)}`;
    for await (const { entry, content } of readTar(oneChunk(archive)))
      if (entry.path === wanted) {
        const bytes = await collect(content);
        return oneChunk(bytes);
      }
    return assert.fail(`no member ${wanted}`);
  }
});
