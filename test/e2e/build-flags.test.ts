import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import { must, run } from "../support/process.ts";

describe("flags of ply build", { skip: unless("root", "git") }, () => {
  let room: BuildRoom;
  let server: Server;
  let address: string;
  before(async () => {
    room = await openBuildRoom();
    server = createServer(({ url = "" }, response) => {
      const path = url.split("?")[0] ?? "";
      const body = path === "/file.txt" ? "fetched\n" : room.repositoryFile(path);
      response.writeHead(body === undefined ? 404 : 200).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await room[Symbol.asyncDispose]();
  });

  test("checks are made for each platform, and what is found for several is told once", async () => {
    const directory = room.contextOf(`ARG TARGETARCH
FROM scratch AS for-amd64
ENV a b
FROM scratch AS for-arm64
ENV c d
FROM for-$TARGETARCH AS last
MAINTAINER me
`);
    const flags = ["--target", "last", "--platform", "linux/amd64,linux/arm64", directory];
    const both = ["build", "--call=check,format=json", ...flags];
    const { warnings } = JSON.parse((await room.engine.ply(both)).stdout) as {
      warnings: { location: { ranges: { start: { line: number } }[] } }[];
    };
    assert.deepEqual(
      warnings.map(({ location }) => location.ranges[0]?.start.line),
      [3, 5, 7],
    );
    const { stderr } = await room.engine.must(["build", "--output", "type=cacheonly", ...flags]);
    assert.deepEqual(
      [...stderr.matchAll(/^ - (\w+):.*\(line (\d)\)$/gm)].map((match) => match.slice(1).join(" ")),
      ["LegacyKeyValueFormat 3", "LegacyKeyValueFormat 5", "MaintainerDeprecated 7"],
    );
    const strict = room.contextOf(`# check=error=true
FROM scratch AS for-amd64
FROM scratch AS for-arm64
ENV c d
FROM for-$TARGETARCH
`);
    const refused = ["build", "--platform", "linux/amd64,linux/arm64", "-o", "type=cacheonly", strict];
    assert.match(
      (await room.engine.ply(refused)).stderr,
      /lint violation found for rules: LegacyKeyValueFormat/,
    );
  });

  test("provenance names what was fetched: addresses, repositories by their commits, the context itself", async () => {
    const repository = join(room.work, "repo");
    mkdirSync(repository);
    writeFileSync(
      join(repository, "Dockerfile"),
      `FROM scratch\nADD http://me:secret@${address}/file.txt /\nADD http://${address}/repo.git#main /r/\nCOPY --from=more Dockerfile /d\n`,
    );
    const git = "git -c user.name=t -c user.email=t@x";
    const script = `git init -qb main && git add . && ${git} commit -qm 1 && git update-server-info && git rev-parse HEAD`;
    const commit = (await must("sh", ["-c", script], { cwd: repository })).stdout.trim();
    const layout = join(room.work, "layout");
    const url = `http://${address}/repo.git`;
    // The second time nothing is made anew.
    for (const dest of [layout, `${layout}2`]) {
      const output = ["--provenance=true", "--output", `type=oci,dest=${dest},tar=false`];
      await room.engine.must(["build", "--build-context", `more=${url}`, ...output, `${url}#main`]);
      const blobs = join(dest, "blobs/sha256");
      const documents = readdirSync(blobs)
        .map((name) => readFileSync(join(blobs, name), "utf8"))
        .flatMap((text) => (text.startsWith("{") ? [JSON.parse(text)] : []));
      const statement = documents.find(
        ({ predicateType }) => predicateType === "https://slsa.dev/provenance/v1",
      );
      const { resolvedDependencies, externalParameters } = statement.predicate.buildDefinition;
      const context = { uri: `${url}#main`, digest: { sha1: commit } };
      assert.deepEqual(externalParameters.configSource, { ...context, path: "Dockerfile" });
      const sha256 = createHash("sha256").update("fetched\n").digest("hex");
      assert.deepEqual(resolvedDependencies, [
        context,
        { uri: `http://${address}/file.txt`, digest: { sha256 } },
        { uri: url, digest: { sha1: commit } },
      ]);
    }
  });

  test("copies of repositories are listed, counted and pruned like all that builds keep", async () => {
    const type = ["--filter", "type=source.git.checkout"];
    const du = async () =>
      (await room.engine.must(["builder", "du", ...type, "--format", "json"])).stdout.trim();
    const before = JSON.parse(await du());
    assert.equal(before.Description, `git repository http://${address}/repo.git`);
    assert.match(before.Size, /kB$/);
    const { BuildCache } = JSON.parse((await room.engine.request("GET", "/system/df")).text);
    const [copy] = BuildCache.filter((each: { readonly Type: string }) => each.Type.startsWith("source"));
    assert.equal(copy.UsageCount, 6);
    await room.engine.must(["builder", "prune", "-f", ...type, "--filter", "unused-for=1h"]);
    assert.notEqual(await du(), "");
    const { stdout } = await room.engine.must(["builder", "prune", "-f", ...type]);
    assert.match(stdout, new RegExp(`\n${copy.ID}\n\nTotal reclaimed space: [1-9][\\d.]*kB\n$`));
    assert.deepEqual([await du(), readdirSync(join(room.engine.root, "build/git"))], ["", []]);
  });

  test("steps keep their names when triggers of an image become known", async () => {
    const onbuild = "FROM bb:1\nONBUILD COPY f /f\nONBUILD RUN true\n";
    await room.build(room.contextOf(onbuild), "-t", "onbuild:1");
    const directory = room.contextOf("FROM onbuild:1\nRUN cat /f\nFROM bb:1\nCOPY --from=0 /f /f\n", {
      f: "f",
    });
    const args = ["build", "--progress", "plain", "--network", "none", directory];
    const titles = [...(await room.engine.must(args)).stderr.matchAll(/^#\d+ (\[stage-0 .*)$/gm)].map(
      (match) => match[1],
    );
    assert.deepEqual(titles, [
      "[stage-0 1/2] FROM onbuild:1",
      "[stage-0 1/2] ONBUILD COPY f /f",
      "[stage-0 1/2] ONBUILD RUN true",
      "[stage-0 2/2] RUN cat /f",
    ]);
    const why = (await room.engine.must([...args, "--no-cache", "--explain"])).stderr;
    assert.match(why, /ONBUILD RUN true\n/);
    const classic = await room.engine.docker(["build", "--network", "none", directory], {
      env: { DOCKER_BUILDKIT: "0" },
    });
    assert.deepEqual(classic.stdout.match(/^(?:Step|#).*$/gm), [
      "Step 1/4 : FROM onbuild:1",
      "# Executing 2 build triggers",
      "Step 2/4 : RUN cat /f",
      "Step 3/4 : FROM bb:1",
      "Step 4/4 : COPY --from=0 /f /f",
    ]);
  });

  test("what is exported to caches has a heading", async () => {
    const cache = join(room.work, "cache");
    const directory = room.contextOf("FROM bb:1\nCOPY f /f\n", { f: "f" });
    const { stderr } = await room.engine.must(["build", "--cache-to", `type=local,dest=${cache}`, directory]);
    assert.match(stderr, new RegExp(`\nexporting cache to ${cache}\n[0-9a-f]{12}: Pushed`));
  });

  test("--list-context as JSON, as a table and by a template", async () => {
    const directory = room.contextOf("FROM bb:1\n", {
      ".dockerignore": "*.log\n",
      "d/f": "12345",
      "x.log": "",
    });
    const listed = async (format: string) =>
      (await room.engine.must(["build", "--list-context", "--format", format, directory])).stdout;
    const entries = (await listed("json"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      entries.map(({ Path }) => Path),
      [".dockerignore", "Dockerfile", "d/", "d/f", "x.log"],
    );
    const file = { Path: "d/f", Kind: "file", Size: "5B", Bytes: "5", Included: "true", Rule: "" };
    assert.deepEqual(entries[3], file);
    assert.deepEqual([entries[4].Included, entries[4].Rule], ["false", "*.log (line 1)"]);
    assert.match(
      await listed("table"),
      /^PATH +SIZE +LEFT OUT BY\n[\s\S]*\nx\.log +0B +\*\.log \(line 1\)\n$/,
    );
    assert.match(await listed("{{.Bytes}}"), /^6\n10\n0\n5\n0\n$/);
    const refused = await room.engine.ply(["build", "--format", "json", directory]);
    assert.match(refused.stderr, /invalid argument "json" for "--format" flag/);
    await room.engine.must(["build", "-q", "--format", "docker", directory]);
  });

  test("steps and containers run below the cgroup that they are given, and leave nothing there", async () => {
    const parent = `/ply-test-${process.pid}`;
    const own = new RegExp(`:${parent}/[0-9a-f]{64}$`, "m");
    const groups = () =>
      run("find", ["/sys/fs/cgroup", "-maxdepth", "4", "-path", `*${parent}/*`, "-type", "d"]);
    try {
      const text = "FROM bb:1\nRUN true\n";
      const flags = ["--no-cache", "--cgroup-parent", parent, room.contextOf(text)];
      const detached = [
        "run",
        "-d",
        "--network",
        "none",
        "--cgroup-parent",
        parent.slice(1),
        "bb:1",
        "sleep",
        "1000",
      ];
      await room.engine.must(["build", "--network", "none", ...flags]);
      // A runtime leaves the cgroups above its own.
      const made = ["/sys/fs/cgroup", "-maxdepth", "2", "-name", parent.slice(1)];
      assert.notEqual((await run("find", made)).stdout, "");
      const id = (await room.engine.must(detached)).stdout.trim();
      const inspected = ["inspect", "-f", "{{.State.Pid}} {{.HostConfig.CgroupParent}}", id];
      const [number, given] = (await room.engine.must(inspected)).stdout.trim().split(" ");
      assert.equal(given, parent.slice(1));
      assert.match(readFileSync(`/proc/${number}/cgroup`, "utf8"), own);
      assert.match((await room.engine.must(["stats", "--no-stream", id])).stdout, /[1-9]\S*B \/ /);
      await room.engine.restart("SIGKILL");
      await room.engine.must(["pause", id]);
      await room.engine.must(["unpause", id]);
      assert.equal((await room.engine.must(["top", id])).stdout.split("\n").length, 3);
      await room.engine.must(["rm", "-f", id]);
      assert.equal((await groups()).stdout, "");
      const refused = await room.engine.ply(["run", "--cgroup-parent", "../x", "bb:1", "true"]);
      assert.match(refused.stderr, /invalid cgroup parent "\.\.\/x"/);
    } finally {
      await run("find", ["/sys/fs/cgroup", "-depth", "-maxdepth", "2", "-name", parent.slice(1), "-delete"]);
    }
  });
});
