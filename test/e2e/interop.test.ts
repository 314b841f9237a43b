import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDocker } from "../../bench/peers/docker.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { unless } from "../support/needs.ts";
import { sha256, type WrittenImage, writeOciLayout, writeSkopeoDirectory } from "../support/oci-layout.ts";
import { diskUse, startEngine, type TestEngine } from "../support/ply.ts";
import { must } from "../support/process.ts";
import { type RegistryFixture, startRegistry } from "../support/registry.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const skip = unless("root", "docker-registry", "skopeo", "buildah", "podman", "dockerd");

describe("images travel between ply and its peers unchanged", { skip }, () => {
  let engine: TestEngine;
  let registry: RegistryFixture;
  let dockerd: Peer;
  let work: string;
  let images: WrittenImage[];
  const skopeo = (...args: string[]) => must("skopeo", args);
  const docker = (...args: string[]) => must("docker", args, { env: dockerd.environment });
  const podman = (...args: string[]) =>
    must("podman", [
      "--root",
      join(work, "podman"),
      "--runroot",
      join(work, "podman-run"),
      "--storage-driver",
      "vfs",
      ...args,
    ]);
  const idOf = async (name: string): Promise<string> =>
    (await engine.must(["inspect", "--type", "image", "--format", "{{.Id}}", name])).stdout.trim();
  const image = (tag: string): WrittenImage => {
    const found = images.find((candidate) => candidate.tag === tag);
    if (found === undefined) throw new Error(`no ${tag}`);
    return found;
  };
  const forget = async (): Promise<void> => {
    const ids = (await engine.must(["images", "-aq", "--no-trunc"])).stdout
      .split("\n")
      .filter((id) => id !== "");
    if (ids.length > 0) await engine.must(["rmi", "-f", ...new Set(ids)]);
  };

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "ply-interop-"));
    engine = await startEngine();
    registry = await startRegistry();
    const started = await startDocker(work);
    if ("absent" in started) throw new Error(started.absent);
    dockerd = started;
    const base = tarball(busyboxMembers());
    const top = tarball([{ name: "etc/motd", data: "hello" }, { name: "etc/.wh.group" }]);
    images = writeOciLayout(join(work, "layout"), [
      { tag: "gzip", layers: [{ tar: base }, { tar: top }] },
      {
        tag: "zstd",
        layers: [
          { tar: base, packing: "zstd" },
          { tar: top, packing: "zstd" },
        ],
        config: { author: "zstd" },
      },
      {
        tag: "plain",
        layers: [
          { tar: base, packing: "none" },
          { tar: top, packing: "none" },
        ],
        config: { author: "plain" },
      },
      { tag: "docker", layers: [{ tar: base }, { tar: top }], docker: true, config: { author: "docker" } },
    ]);
    writeSkopeoDirectory(join(work, "docker-image"), join(work, "layout"), image("docker"));
    for (const { tag } of images)
      await skopeo(
        "copy",
        "-q",
        // Else skopeo compresses what is not.
        "--preserve-digests",
        "--dest-tls-verify=false",
        tag === "docker" ? `dir:${join(work, "docker-image")}` : `oci:${join(work, "layout")}:${tag}`,
        `docker://${registry.host}/peer:${tag}`,
      );
  });
  after(async () => {
    await dockerd[Symbol.asyncDispose]();
    await registry.stop();
    await engine[Symbol.asyncDispose]();
    await podman("system", "reset", "-f").catch(() => undefined);
    rmSync(work, { recursive: true, force: true });
  });

  test("what skopeo pushed is pulled with its digest and id", async () => {
    for (const { tag, manifestDigest, imageId } of images) {
      const pulled = await engine.must(["pull", `${registry.host}/peer:${tag}`]);
      assert.ok(pulled.stdout.includes(manifestDigest), pulled.stdout);
      assert.equal(await idOf(`${registry.host}/peer:${tag}`), imageId);
    }
  });

  test("one layer in three compressions is on disk once", async () => {
    await forget();
    await engine.must(["pull", `${registry.host}/peer:gzip`]);
    const before = await diskUse(join(engine.root, "layers"));
    const pulled = await engine.must(["pull", `${registry.host}/peer:zstd`]);
    assert.match(pulled.stdout, /Already exists/);
    await engine.must(["pull", `${registry.host}/peer:plain`]);
    assert.equal(await diskUse(join(engine.root, "layers")), before);
  });

  test("what ply pushes to a new place, skopeo, podman, buildah and docker take with the same id", async () => {
    await forget();
    await engine.must(["pull", `${registry.host}/peer:gzip`]);
    await engine.must(["tag", `${registry.host}/peer:gzip`, `${registry.host}/ours:1`]);
    const pushed = await engine.must(["push", `${registry.host}/ours:1`]);
    assert.ok(pushed.stdout.includes(image("gzip").manifestDigest), pushed.stdout);
    const seen = await skopeo("inspect", "--tls-verify=false", `docker://${registry.host}/ours:1`);
    assert.equal(JSON.parse(seen.stdout).Digest, image("gzip").manifestDigest);
    await podman("pull", "-q", "--tls-verify=false", `${registry.host}/ours:1`);
    assert.equal(
      (await podman("images", "-q", "--no-trunc", `${registry.host}/ours:1`)).stdout.trim(),
      image("gzip").imageId,
    );
    await docker("pull", "-q", `${registry.host}/ours:1`);
    assert.equal(
      (await docker("images", "-q", "--no-trunc", `${registry.host}/ours:1`)).stdout.trim(),
      image("gzip").imageId,
    );
    const buildah = [
      "--root",
      join(work, "buildah"),
      "--runroot",
      join(work, "buildah-run"),
      "--storage-driver",
      "vfs",
    ];
    await must("buildah", [...buildah, "pull", "-q", "--tls-verify=false", `${registry.host}/ours:1`]);
    const pulled = await must("buildah", [...buildah, "images", "-q", "--no-trunc"]);
    assert.ok(pulled.stdout.includes(image("gzip").imageId));
    // And back: what buildah and docker push, ply pulls.
    await must("buildah", [
      ...buildah,
      "push",
      "-q",
      "--tls-verify=false",
      image("gzip").imageId.slice(7),
      `docker://${registry.host}/buildah:1`,
    ]);
    await docker("tag", `${registry.host}/ours:1`, `${registry.host}/dockers:1`);
    await docker("push", "-q", `${registry.host}/dockers:1`);
    await forget();
    for (const name of ["buildah", "dockers"]) {
      await engine.must(["pull", `${registry.host}/${name}:1`]);
      const inspected = JSON.parse((await engine.must(["inspect", `${registry.host}/${name}:1`])).stdout)[0];
      assert.deepEqual(
        inspected.RootFS.Layers,
        image("gzip").layers.map(({ diffId }) => diffId),
      );
    }
    assert.equal(await idOf(`${registry.host}/dockers:1`), image("gzip").imageId);
  });

  test("an image committed here is the same image everywhere", async () => {
    await engine.must(["pull", `${registry.host}/peer:docker`]);
    await engine.must([
      "run",
      "--name",
      "maker",
      "--network",
      "none",
      `${registry.host}/peer:docker`,
      "sh",
      "-c",
      "echo made > /made; rm -r /root",
    ]);
    await engine.must(["commit", "maker", `${registry.host}/committed:1`]);
    await engine.must(["rm", "maker"]);
    await engine.must(["push", `${registry.host}/committed:1`]);
    const id = await idOf(`${registry.host}/committed:1`);
    await docker("pull", "-q", `${registry.host}/committed:1`);
    assert.equal(
      (await docker("images", "-q", "--no-trunc", `${registry.host}/committed:1`)).stdout.trim(),
      id,
    );
    const seen = await docker(
      "run",
      "--rm",
      "--network",
      "none",
      `${registry.host}/committed:1`,
      "sh",
      "-c",
      "cat /made /etc/motd; test ! -e /root && test ! -e /etc/group && echo gone",
    );
    assert.equal(seen.stdout, "made\nhellogone\n");
  });

  test("archives: theirs load here, ours load there", async () => {
    await engine.must(["pull", `${registry.host}/peer:gzip`]);
    await engine.must(["tag", `${registry.host}/peer:gzip`, "travel:1"]);
    const { imageId } = image("gzip");
    for (const format of ["docker", "oci"]) {
      const archive = join(work, `ours-${format}.tar`);
      await engine.must(["save", "--format", format, "-o", archive, "travel:1"]);
      const transport = format === "docker" ? "docker-archive" : "oci-archive";
      const config = await skopeo("inspect", "--raw", "--config", `${transport}:${archive}`);
      assert.ok(config.stdout.includes(image("gzip").layers[1]?.diffId ?? "?"));
      await podman("rmi", "-af");
      await podman("load", "-q", "-i", archive);
      assert.ok(
        (await podman("images", "-aq", "--no-trunc")).stdout.includes(imageId),
        `podman load of ${format}`,
      );
      if (format === "docker") {
        await docker("rmi", "-f", imageId).catch(() => undefined);
        await docker("load", "-q", "-i", archive);
        assert.equal((await docker("images", "-q", "--no-trunc", "travel:1")).stdout.trim(), imageId);
      }
    }
    await podman("tag", imageId, "localhost/theirs:1");
    await docker("tag", "travel:1", "theirs:1");
    await podman(
      "save",
      "-q",
      "--format",
      "docker-archive",
      "-o",
      join(work, "podman-docker.tar"),
      "localhost/theirs:1",
    );
    await podman(
      "save",
      "-q",
      "--format",
      "oci-archive",
      "-o",
      join(work, "podman-oci.tar"),
      "localhost/theirs:1",
    );
    await docker("save", "-o", join(work, "docker.tar"), "theirs:1");
    await skopeo(
      "copy",
      "-q",
      `oci:${join(work, "layout")}:zstd`,
      `oci-archive:${join(work, "skopeo-oci.tar")}:theirs:1`,
    );
    await skopeo(
      "copy",
      "-q",
      `oci:${join(work, "layout")}:gzip`,
      `docker-archive:${join(work, "skopeo-docker.tar")}:theirs:1`,
    );
    await must("sh", ["-c", `gzip -k ${join(work, "docker.tar")}; zstd -q ${join(work, "podman-oci.tar")}`]);
    for (const archive of [
      ...["podman-docker.tar", "podman-oci.tar", "docker.tar", "skopeo-oci.tar", "skopeo-docker.tar"],
      ...["docker.tar.gz", "podman-oci.tar.zst"],
    ]) {
      await forget();
      const loaded = await engine.must(["load", "-i", join(work, archive)]);
      assert.match(loaded.stdout, /Loaded image/, archive);
      const id = (await engine.must(["images", "-q", "--no-trunc"])).stdout.trim();
      if (archive !== "podman-oci.tar" && archive !== "podman-oci.tar.zst")
        assert.equal(id, archive === "skopeo-oci.tar" ? image("zstd").imageId : imageId, archive);
      const motd = await engine.must(["run", "--rm", "--network", "none", id, "cat", "/etc/motd"]);
      assert.equal(motd.stdout, "hello", archive);
    }
  });

  test("an index gives each platform its image under one digest, as docker has it", async () => {
    await forget();
    const platforms = ["amd64", "arm64"];
    const layout = join(work, "platforms");
    const written = writeOciLayout(
      layout,
      platforms.map((architecture) => ({
        tag: architecture,
        layers: [{ tar: tarball([{ name: "arch", data: architecture }]) }],
        config: { architecture },
      })),
    );
    for (const { tag } of written)
      await skopeo(
        "copy",
        "-q",
        "--dest-tls-verify=false",
        `oci:${layout}:${tag}`,
        `docker://${registry.host}/many:${tag}`,
      );
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType,
      manifests: written.map(({ tag, manifestDigest }) => ({
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: manifestDigest,
        size: statSync(join(layout, "blobs/sha256", manifestDigest.slice(7))).size,
        platform: { os: "linux", architecture: tag },
      })),
    });
    const put = await fetch(`${registry.url}/v2/many/manifests/1`, {
      method: "PUT",
      headers: { "Content-Type": mediaType },
      body: index,
    });
    assert.equal(put.status, 201);
    const name = `${registry.host}/many:1`;
    for (const { tag, imageId } of written) {
      const pulled = await engine.must(["pull", "--platform", `linux/${tag}`, name]);
      assert.ok(pulled.stdout.includes(sha256(index)), pulled.stdout);
      assert.equal(await idOf(name), imageId);
      await docker("pull", "-q", "--platform", `linux/${tag}`, name);
      assert.equal((await docker("images", "-q", "--no-trunc", name)).stdout.trim(), imageId);
    }
    const none = await engine.ply(["pull", "--platform", "linux/s390x", name]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no matching manifest for linux\/s390x/);
  });

  test("skopeo takes the engine for a docker daemon, both ways", async () => {
    await forget();
    const directory = join(work, "from-daemon");
    await skopeo(
      "copy",
      "-q",
      `--dest-daemon-host=${engine.host}`,
      `dir:${join(work, "docker-image")}`,
      "docker-daemon:given:1",
    );
    assert.equal(await idOf("given:1"), image("docker").imageId);
    await skopeo(
      "copy",
      "-q",
      `--src-daemon-host=${engine.host}`,
      "docker-daemon:given:1",
      `oci:${directory}:taken`,
    );
    const config = await skopeo("inspect", "--config", `oci:${directory}:taken`);
    assert.deepEqual(
      JSON.parse(config.stdout).rootfs.diff_ids,
      image("docker").layers.map(({ diffId }) => diffId),
    );
  });

  test("save gives the same bytes every time, several images share their layers", async () => {
    await forget();
    await engine.must(["pull", `${registry.host}/peer:gzip`, `${registry.host}/peer:docker`]);
    const names = [`${registry.host}/peer:gzip`, `${registry.host}/peer:docker`];
    const one = await engine.must(["save", ...names]);
    const two = await engine.must(["save", ...names]);
    assert.ok(one.bytes.equals(two.bytes));
    const single = await engine.must(["save", names[0] ?? ""]);
    assert.ok(one.bytes.length < single.bytes.length + 100_000, "the layers are in the archive once");
    await forget();
    await engine.must(["load"], { stdin: one.bytes });
    assert.equal(await idOf(names[0] ?? ""), image("gzip").imageId);
    assert.equal(await idOf(names[1] ?? ""), image("docker").imageId);
  });
});
