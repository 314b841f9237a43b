import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { must, run } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";

const skip = unless("root", "docker-registry", "skopeo", "docker", "umoci", "crun", "conmon");

const ACCOUNT = { username: "ann", password: "s3cret" };
const SCRATCH = "FROM scratch\nCOPY a /a\nCOPY dir /dir\nLABEL l=v\n";
const PLATFORMS = "linux/amd64,linux/arm64";
const BY_PLATFORM = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\nCOPY a /a\n";

describe("what a build gives", { skip }, () => {
  let home: string;
  let context: string;
  let engine: TestEngine;
  before(async () => {
    home = mkdtempSync(join(tmpdir(), "ply-output-"));
    context = join(home, "context");
    mkdirSync(join(context, "dir"), { recursive: true });
    for (const name of ["a", "amd64", "arm64", "dir/b"]) writeFileSync(join(context, name), `${name}\n`);
    utimesSync(join(context, "a"), 1_000_000_000, 1_000_000_000);
    engine = await startEngine();
    await importBusybox(engine);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  });

  const path = (name: string): string => join(home, name);
  const build = async (dockerfile: string, ...flags: readonly string[]) => {
    const ran = await engine.ply(["build", ...flags, "-f", "-", context], { stdin: dockerfile });
    assert.equal(ran.code, 0, ran.stderr);
    return ran;
  };
  const refused = async (dockerfile: string, ...flags: readonly string[]): Promise<string> => {
    const ran = await engine.ply(["build", ...flags, "-f", "-", context], { stdin: dockerfile });
    assert.notEqual(ran.code, 0, ran.stdout);
    return ran.stderr;
  };
  const images = async (): Promise<string[]> =>
    (await engine.must(["images", "-aq", "--no-trunc"])).stdout.split("\n").filter(Boolean);
  const json = (file: string): Record<string, never> => JSON.parse(readFileSync(file, "utf8"));
  const skopeo = async (...args: readonly string[]): Promise<string> =>
    (await must("skopeo", [...args])).stdout;
  /** Paths of a directory with what tells them apart, sorted. */
  const listing = (directory: string, below = ""): string[] =>
    readdirSync(join(directory, below), { withFileTypes: true })
      .map((entry) => join(below, entry.name))
      .sort()
      .flatMap((name) => {
        const stat = lstatSync(join(directory, name));
        if (stat.isSymbolicLink()) return [`${name} -> ${readlinkSync(join(directory, name))}`];
        return stat.isDirectory()
          ? [`${name}/`, ...listing(directory, name)]
          : [
              `${name} ${(stat.mode & 0o7777).toString(8)} ${stat.mtimeMs} ${readFileSync(join(directory, name))}`,
            ];
      });

  test("files: in a directory, in a tar, on the standard output; no image stays", async () => {
    const before = await images();
    const target = path("files");
    mkdirSync(join(target, "dir"), { recursive: true });
    writeFileSync(join(target, "dir/mine"), "kept");
    writeFileSync(join(target, "a"), "old");
    await build(SCRATCH, "-o", target, "-o", `type=tar,dest=${path("files.tar")}`);
    assert.deepEqual(readdirSync(target).sort(), ["a", "dir"]);
    assert.equal(readFileSync(join(target, "a"), "utf8"), "a\n");
    assert.equal(readFileSync(join(target, "dir/mine"), "utf8"), "kept");
    assert.equal(statSync(join(target, "a")).mtimeMs, 1_000_000_000_000);
    const piped = await run(
      "sh",
      ["-c", `${PLY_BINARY} -H ${engine.host} build -o - - > ${path("piped.tar")}`],
      { stdin: "FROM scratch\nCOPY <<E /a\nhello\nE\n" },
    );
    assert.equal(piped.code, 0, piped.stderr);
    assert.match((await must("tar", ["-tf", path("piped.tar")])).stdout, /^\.?\/?a$/m);
    const unpacked = path("unpacked");
    mkdirSync(unpacked);
    await must("tar", ["-xf", path("files.tar"), "-C", unpacked]);
    rmSync(join(target, "dir/mine"));
    assert.deepEqual(listing(unpacked), listing(target));
    assert.deepEqual(await images(), before);
  });

  test("a hostile image reaches nothing outside of the directory, and leaves no devices and no foreign rights in it", async () => {
    const outside = path("outside");
    const target = path("hostile");
    mkdirSync(outside);
    mkdirSync(target);
    writeFileSync(join(outside, "victim"), "safe");
    symlinkSync(outside, join(target, "etc"));
    symlinkSync(join(outside, "victim"), join(target, "file"));
    await build(
      [
        "FROM bb:1",
        `RUN mkdir -p /etc && echo x > /etc/mine && echo y > /file && ln -s ${outside} /out`,
        `RUN mknod /disk b 8 0 && mkfifo /pipe && cp /bin/busybox /su && chown 7:7 /su && chmod 6755 /su && ln -s ${outside}/victim /link`,
      ].join("\n"),
      "-o",
      target,
    );
    assert.deepEqual(readdirSync(outside), ["victim"]);
    assert.equal(readFileSync(join(outside, "victim"), "utf8"), "safe");
    assert.equal(readFileSync(join(target, "etc/mine"), "utf8"), "x\n");
    assert.ok(!lstatSync(join(target, "etc")).isSymbolicLink());
    assert.equal(readFileSync(join(target, "file"), "utf8"), "y\n");
    assert.ok(!existsSync(join(target, "disk")));
    const su = statSync(join(target, "su"));
    assert.deepEqual([su.mode & 0o7777, su.uid, su.gid], [0o755, 0, 0]);
    assert.equal(readlinkSync(join(target, "out")), outside);
  });

  test("a user without rights gets the files too, in directories that may not be written to", async () => {
    const target = path("nobody");
    mkdirSync(target);
    chownSync(target, 65_534, 65_534);
    chmodSync(home, 0o755);
    chmodSync(dirname(engine.socket), 0o755);
    chmodSync(engine.socket, 0o666);
    const ran = await run(
      "setpriv",
      [
        ...["--reuid=65534", "--regid=65534", "--clear-groups", PLY_BINARY],
        ...["-H", engine.host, "build", "-o", target, "-"],
      ],
      {
        env: { HOME: target },
        stdin: "FROM bb:1\nRUN mkdir -p /ro/sub && echo x > /ro/sub/f && chmod 555 /ro/sub /ro\n",
      },
    );
    assert.equal(ran.code, 0, ran.stderr);
    const stat = statSync(join(target, "ro/sub"));
    assert.deepEqual([stat.mode & 0o7777, stat.uid], [0o555, 65_534]);
    assert.equal(readFileSync(join(target, "ro/sub/f"), "utf8"), "x\n");
  });

  test("archives: OCI as tar and directory, docker's; others read them, and nothing stays", async () => {
    const before = await images();
    const disk = await engine.must(["system", "df"]);
    const flags = [
      ...["-t", "localhost:5000/app:1", "--metadata-file", path("oci.json"), "--iidfile", path("oci.iid")],
      ...["--annotation", "org.example=one", "--annotation", "manifest-descriptor:where=index"],
    ];
    await build(SCRATCH, ...flags, "-o", `type=oci,dest=${path("oci.tar")}`);
    await build(SCRATCH, ...flags, "-o", `type=oci,tar=false,dest=${path("oci")}`);
    await build(SCRATCH, "-t", "app:1", "-o", `type=docker,dest=${path("docker.tar")}`);
    const made = json(path("oci.json")) as unknown as Record<string, string>;
    const inspected = JSON.parse(await skopeo("inspect", `oci-archive:${path("oci.tar")}`));
    assert.equal(made["containerimage.digest"], inspected.Digest);
    assert.equal(made["image.name"], "localhost:5000/app:1");
    assert.equal(readFileSync(path("oci.iid"), "utf8"), made["containerimage.config.digest"]);
    const manifest = JSON.parse(await skopeo("inspect", "--raw", `oci:${path("oci")}`));
    assert.equal(manifest.config.digest, made["containerimage.config.digest"]);
    assert.deepEqual(manifest.annotations, { "org.example": "one" });
    assert.ok(
      manifest.layers.every(({ mediaType }: { mediaType: string }) => mediaType.endsWith("tar+gzip")),
    );
    await build(SCRATCH, "-t", "second:1", "-o", `type=oci,tar=false,dest=${path("oci")}`);
    await skopeo("copy", `oci:${path("oci")}:docker.io/library/second:1`, `dir:${path("second")}`);
    await skopeo("copy", `oci:${path("oci")}:localhost:5000/app:1`, `dir:${path("first")}`);
    const [entry] = (json(join(path("oci"), "index.json")) as unknown as { manifests: Entry[] }).manifests;
    assert.equal(entry?.annotations?.["where"], "index");
    await skopeo("copy", `docker-archive:${path("docker.tar")}`, `dir:${path("dir")}`);
    assert.deepEqual(await images(), before);
    assert.equal((await engine.must(["system", "df"])).stdout, disk.stdout);
    assert.deepEqual(readdirSync(join(engine.root, "ingest")), []);
    assert.match((await engine.docker(["load", "-i", path("docker.tar")])).stdout, /Loaded image: app:1/);
    await engine.must(["load", "-i", path("oci.tar")]);
    await engine.must(["save", "-o", path("again.tar"), "--format", "oci", "localhost:5000/app:1"]);
    const again = JSON.parse(await skopeo("inspect", "--raw", `oci-archive:${path("again.tar")}`));
    assert.deepEqual(again.annotations, { "org.example": "one" });
    await engine.must(["rmi", "app:1", "localhost:5000/app:1"]);
  });

  test("pushes: image and digest, in the compression asked for; the image stays when the registry fails", async () => {
    await using registry = await startRegistry({ htpasswd: ACCOUNT });
    const name = `${registry.host}/app`;
    const before = await images();
    assert.match(await refused(SCRATCH, "-t", `${name}:3`, "--push"), /push access denied for .*\/app/);
    const kept = (await engine.must(["images", "-q", "--no-trunc", `${name}:3`])).stdout.trim();
    assert.deepEqual((await images()).sort(), [...before, kept].sort());
    await engine.must(["login", "-u", ACCOUNT.username, "--password-stdin", registry.host], {
      stdin: ACCOUNT.password,
    });
    const pushed = await build(
      SCRATCH,
      ...[
        "-t",
        `${name}:1`,
        "-t",
        `${name}:2`,
        "--push",
        "--annotation",
        "a=b",
        "--metadata-file",
        path("push.json"),
      ],
    );
    const made = json(path("push.json")) as unknown as Record<string, string>;
    assert.equal(pushed.stdout.trim(), kept);
    assert.equal(made["containerimage.config.digest"], kept);
    assert.match(pushed.stderr, /Pushed/);
    const plain = ["inspect", "--tls-verify=false", "--creds", `${ACCOUNT.username}:${ACCOUNT.password}`];
    const inspected = JSON.parse(await skopeo(...plain, `docker://${name}:1`));
    assert.equal(inspected.Digest, made["containerimage.digest"]);
    assert.deepEqual(inspected.RepoTags.sort(), ["1", "2"]);
    // What ply push sends later is the same.
    await engine.must(["push", `${name}:1`]);
    assert.equal(
      JSON.parse(await skopeo(...plain, `docker://${name}:1`)).Digest,
      made["containerimage.digest"],
    );
    await engine.must(["tag", `${name}:1`, `${registry.host}/other:1`]);
    await engine.must(["push", `${registry.host}/other:1`]);
    const other = JSON.parse(await skopeo(...plain, "--raw", `docker://${registry.host}/other:1`));
    assert.deepEqual(other.annotations, { a: "b" });

    const stayed = await images();
    await build(
      SCRATCH.replace("l=v", "l=w"),
      "-o",
      `type=image,name=${name}:zstd,push=true,store=false,compression=zstd,force-compression=true`,
    );
    assert.deepEqual(await images(), stayed);
    const zstd = JSON.parse(await skopeo(...plain, "--raw", `docker://${name}:zstd`));
    assert.ok(zstd.layers.every(({ mediaType }: { mediaType: string }) => mediaType.endsWith("tar+zstd")));

    await engine.must(["rmi", `${name}:1`, `${name}:2`, `${name}:3`, `${registry.host}/other:1`]);
  });

  test("several platforms: one index in archives and registries, one directory each; the list of images takes one", async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/multi:1`;
    const target = path("multi");
    await build(
      BY_PLATFORM,
      ...[
        "--platform",
        PLATFORMS,
        "-t",
        name,
        "--push",
        "-o",
        target,
        "-o",
        `type=oci,dest=${path("multi.tar")}`,
      ],
      ...["--annotation", "index:i=1", "--annotation", "manifest[linux/arm64]:m=arm"],
      ...["--metadata-file", path("multi.json")],
    );
    for (const arch of ["amd64", "arm64"])
      assert.equal(readFileSync(join(target, `linux_${arch}`, "arch"), "utf8"), `${arch}\n`);
    const made = json(path("multi.json")) as unknown as Record<string, string>;
    const index = JSON.parse(await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${name}`));
    assert.deepEqual(index.annotations, { i: "1" });
    assert.deepEqual(
      index.manifests.map(({ platform }: Entry) => platform?.architecture),
      ["amd64", "arm64"],
    );
    assert.equal(made["containerimage.config.digest"], undefined);
    for (const source of [`docker://${name}`, `oci-archive:${path("multi.tar")}`])
      for (const arch of ["amd64", "arm64"]) {
        const out = path(`multi-${source.slice(0, 3)}-${arch}`);
        await skopeo("--override-arch", arch, "copy", "--src-tls-verify=false", source, `oci:${out}:x`);
        const config = JSON.parse(await skopeo("inspect", "--config", `oci:${out}:x`));
        assert.equal(config.architecture, arch);
        const raw = JSON.parse(await skopeo("inspect", "--raw", `oci:${out}:x`));
        assert.deepEqual(raw.annotations, arch === "arm64" ? { m: "arm" } : undefined);
      }
    // A base of several platforms: each gets its own, the name stays this machine's, and once they are here nobody is asked.
    await engine.must(["pull", name]);
    const onBase = ["--platform", "linux/arm64,linux/amd64", "-o", path("based")];
    for (const attempt of ["from the registry", "from the store"]) {
      const base = attempt === "from the store" ? `--pull=never` : `--pull=missing`;
      await build(`FROM ${name}\nCOPY a /more\n`, ...onBase, base);
      for (const arch of ["amd64", "arm64"])
        assert.equal(readFileSync(path(`based/linux_${arch}/arch`), "utf8"), `${arch}\n`, attempt);
      rmSync(path("based"), { recursive: true });
    }
    assert.equal((await engine.must(["inspect", "-f", "{{.Architecture}}", name])).stdout.trim(), "amd64");
    await engine.must(["rmi", name]);

    // What is said about it stands in the index, and changes nothing for who pulls.
    await build(SCRATCH.replace("FROM scratch", "FROM bb:1"), "-t", name, "--push", "--provenance=true");
    const said = JSON.parse(await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${name}`));
    const [image, attestation] = said.manifests as Entry[];
    assert.equal(attestation?.annotations?.["vnd.docker.reference.digest"], image?.digest);
    const digestName = `docker://${registry.host}/multi@${attestation?.digest}`;
    const manifest = JSON.parse(await skopeo("inspect", "--raw", "--tls-verify=false", digestName));
    const blob = await fetch(`${registry.url}/v2/multi/blobs/${manifest.layers[0].digest}`);
    const statement = (await blob.json()) as Statement;
    assert.equal(`sha256:${statement.subject[0]?.digest.sha256}`, image?.digest);
    const [material] = statement.predicate.buildDefinition.resolvedDependencies;
    assert.equal(material?.uri, "pkg:docker/bb@1?platform=linux%2Famd64");
    await engine.must(["rmi", name]);
    await engine.must(["pull", name]);
    await engine.must(["rmi", name]);
    assert.match(
      await refused(BY_PLATFORM, "--platform", PLATFORMS),
      /Multi-platform build is not supported/,
    );
    assert.match(
      await refused(BY_PLATFORM, "--platform", PLATFORMS, "-o", `type=docker,dest=${path("no.tar")}`),
      /Multi-platform build is not supported/,
    );
    assert.ok(!existsSync(path("no.tar")));
    // Another platform's image alone is as good as any.
    await build(BY_PLATFORM, "--platform", "linux/arm64", "-t", "arm:1");
    assert.equal((await engine.must(["inspect", "-f", "{{.Architecture}}", "arm:1"])).stdout.trim(), "arm64");
    await engine.must(["rmi", "arm:1"]);
  });

  test("squash: the same tree in one layer, whiteouts and all, twice the same; docker's client too", async () => {
    const dockerfile = [
      "FROM bb:1",
      "RUN mkdir -p /d/sub /gone && echo 1 > /d/one && echo 2 > /d/sub/two && echo 3 > /gone/x && chmod 700 /d",
      "RUN rm -r /gone /d/sub && mkdir /d/sub && echo new > /d/sub/new && ln /d/one /d/linked && rm /bin/true",
      "RUN rm -rf /tmp && echo file > /tmp && rm -rf /var && mkdir -m 750 /var && chown 3:4 /d/one",
      "ENV A=b",
    ].join("\n");
    const tree = async (name: string): Promise<string[]> => {
      const file = path(`${name}.export.tar`);
      const id = (await engine.must(["create", `${name}:1`])).stdout.trim();
      await engine.must(["export", "-o", file, id]);
      await engine.must(["rm", id]);
      return (await must("tar", ["--full-time", "-tvf", file])).stdout.split("\n").sort();
    };
    const layersOf = async (name: string): Promise<number> =>
      JSON.parse((await engine.must(["inspect", "-f", "{{json .RootFS.Layers}}", `${name}:1`])).stdout)
        .length;
    await build(dockerfile, "-t", "whole:1");
    const [own, all] = [
      await build(dockerfile, "-t", "own:1", "--squash"),
      await build(dockerfile, "-t", "all:1", "--squash-all"),
    ];
    assert.match(own.stderr, /CACHED/);
    assert.equal((await build(dockerfile, "--squash")).stdout, own.stdout);
    assert.notEqual(all.stdout, own.stdout);
    assert.deepEqual([await layersOf("whole"), await layersOf("own"), await layersOf("all")], [4, 2, 1]);
    const expected = await tree("whole");
    assert.deepEqual(await tree("own"), expected);
    assert.deepEqual(await tree("all"), expected);
    const history = (
      await engine.must([
        "history",
        "--no-trunc",
        "--format",
        "{{.Size}} {{.CreatedBy}} {{.Comment}}",
        "own:1",
      ])
    ).stdout;
    assert.match(history.split("\n")[0] ?? "", /merge sha256:[0-9a-f]{64} to sha256:[0-9a-f]{64}/);
    assert.equal(
      history.split("\n").filter((line) => !line.startsWith("0B") && line !== "").length,
      2,
      history,
    );
    // The base is the same for whoever reads the layers one by one.
    await engine.must(["save", "-o", path("own.tar"), "--format", "oci", "own:1"]);
    await skopeo("copy", `oci-archive:${path("own.tar")}`, `oci:${path("own-oci")}:x`);
    await must("umoci", ["unpack", "--image", `${path("own-oci")}:x`, path("own-bundle")]);
    assert.ok(!existsSync(join(path("own-bundle"), "rootfs/bin/true")));
    assert.deepEqual(readdirSync(join(path("own-bundle"), "rootfs/d/sub")), ["new"]);
    assert.equal(readFileSync(join(path("own-bundle"), "rootfs/tmp"), "utf8"), "file\n");

    const docker = await engine.docker(["build", "--squash", "-t", "docker:1", "-"], {
      stdin: dockerfile,
      env: { DOCKER_BUILDKIT: "0" },
    });
    assert.equal(docker.code, 0, docker.stderr);
    assert.equal(await layersOf("docker"), 2);
    await engine.must(["rmi", "whole:1", "own:1", "all:1", "docker:1"]);
  });

  test("what makes no sense is said before anything is built", async () => {
    const cases: readonly (readonly [flags: readonly string[], says: RegExp])[] = [
      [["-o", "type=local"], /dest is required for local exporter/],
      [["-o", "type=oci,tar=false,dest=-"], /dest cannot be stdout for oci exporter/],
      [["-o", `type=tar,dest=${home}`], /destination file .* is a directory/],
      [["-o", `type=local,dest=${join(context, "a")}`], /destination directory .* is a file/],
      [["-o", "type=nope"], /exporter "nope" could not be found/],
      [["-o", "type=image,psuh=true"], /unknown attribute psuh/],
      [["-o", "dest=x,push"], /invalid value push/],
      [["-o", "dest=x"], /type is required for output/],
      [["-o", "type=tar", "-o", "type=oci"], /multiple outputs configured to write to stdout/],
      [["-o", "type=oci,compression=lzma,dest=x"], /unsupported layer compression type lzma/],
      [["-o", path("x"), "--iidfile", path("y")], /local and tar exporters are incompatible with image ID/],
      [["--push"], /tag is needed when pushing to registry/],
      [["--annotation", "novalue"], /invalid annotation "novalue", expected key=value/],
      [["--annotation", "thing:a=b"], /unknown annotation type "thing"/],
      [["--annotation", "index:a=b"], /index annotations not supported for single platform export/],
      [["--provenance=true"], /Attestation is not supported for images of this engine/],
      [["--sbom=true"], /unsupported attestation type "sbom"/],
    ];
    for (const [flags, says] of cases) assert.match(await refused(SCRATCH, ...flags), says, flags.join(" "));
    await build(SCRATCH, "-q", "--provenance=false", "--sbom=false", "--load", "-o", "type=cacheonly");
  });
});

interface Statement {
  readonly subject: readonly { readonly digest: { readonly sha256: string } }[];
  readonly predicate: {
    readonly buildDefinition: { readonly resolvedDependencies: readonly { readonly uri: string }[] };
  };
}

interface Entry {
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}
