import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import type { TestEngine } from "../support/ply.ts";
import { must } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

/** Answers to requests: a status, headers and a body; undefined: a file of the repository, or 404. */
type Answer = { status?: number; headers?: Record<string, string>; body?: string | Buffer } | undefined;

describe("what a build is asked for", { skip: unless("root", "git") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;
  let contextOf: BuildRoom["contextOf"];
  let build: BuildRoom["build"];
  let inImage: BuildRoom["inImage"];
  let server: Server;
  let address: string;
  const requests: IncomingMessage[] = [];
  const answers = new Map<string, (request: IncomingMessage) => Answer>();

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work, contextOf, build, inImage } = room);
    server = createServer((request, response) => {
      requests.push(request);
      const path = request.url?.split("?")[0] ?? "";
      const {
        status = 200,
        headers = {},
        body = room.repositoryFile(path),
      } = answers.get(path)?.(request) ?? {};
      response.writeHead(body === undefined && status === 200 ? 404 : status, headers);
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await room[Symbol.asyncDispose]();
  });

  const plain = (directory: string, ...flags: string[]) =>
    engine.ply(["build", "--network", "none", "--progress", "plain", ...flags, directory]);
  const asked = (path: string) => requests.filter(({ url }) => url === path);

  test("ADD of an address: fetched again only when it has changed, let in by secrets, those of no other host", async () => {
    let tag = '"1"';
    answers.set("/secret.txt", ({ headers }) =>
      headers.authorization !== "Bearer t0ken"
        ? { status: 401 }
        : headers["if-none-match"] === tag
          ? { status: 304 }
          : { headers: { ETag: tag, "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT" }, body: `body ${tag}` },
    );
    answers.set("/moved", () => ({
      status: 302,
      headers: { Location: `${address.replace("127.0.0.1", "localhost")}/secret.txt` },
    }));
    const directory = contextOf(`FROM bb:1\nADD ${address}/secret.txt /got/\n`);
    writeFileSync(join(work, "token"), "t0ken\n");
    const secret = ["--secret", `id=HTTP_AUTH_TOKEN_127.0.0.1,src=${join(work, "token")}`];
    const refused = await plain(directory);
    assert.match(refused.stderr, /the server answered 401.*\n[\s\S]*HTTP_AUTH_TOKEN_127\.0\.0\.1/);
    const id = await build(directory, ...secret);
    assert.equal(
      await inImage(id, "cat /got/secret.txt; stat -c ' %a %Y' /got/secret.txt"),
      'body "1" 600 1445412480\n',
    );
    requests.length = 0;
    assert.equal(await build(directory, ...secret), id);
    assert.deepEqual(
      asked("/secret.txt").map(({ headers }) => headers["if-none-match"]),
      ['"1"'],
    );
    // Unchanged, but its layer is elsewhere: it is fetched after all.
    const other = contextOf(`FROM bb:1\nADD ${address}/secret.txt /other/\n`);
    assert.equal(await inImage(await build(other, ...secret), "cat /other/secret.txt"), 'body "1"');
    tag = '"2"';
    assert.notEqual(await build(directory, ...secret), id);
    // What lets in at one host is not told to the one it leads to.
    const moved = contextOf(`FROM bb:1\nADD ${address}/moved /m\n`);
    assert.match((await plain(moved, ...secret)).stderr, /401/);
  });

  test("ADD --checksum: what is known is not even asked for", async () => {
    answers.set("/pinned", () => ({ body: "pinned" }));
    const sum = "sha256:0a4b7f7ff1f7ab8ae0cf2d4a1a2eeb1ea0ef0c2cbb3e5c5b9aa0ea9f4b1f7b0a";
    const wrong = contextOf(`FROM bb:1\nADD --checksum=${sum} ${address}/pinned /p\n`);
    const found = /digest mismatch (sha256:[0-9a-f]{64})/.exec((await plain(wrong)).stderr)?.[1];
    const right = contextOf(`FROM bb:1\nADD --checksum=${found} ${address}/pinned /p\n`);
    requests.length = 0;
    const id = await build(right);
    answers.delete("/pinned");
    assert.equal(await build(right), id);
    assert.ok(asked("/pinned").length <= 1);
    const short = await plain(contextOf(`FROM bb:1\nADD --checksum=sha256:12 ${address}/pinned /p\n`));
    assert.match(short.stderr, /invalid checksum digest format/);
  });

  test("repositories: queries, subdirectories, tokens, .git, times of the commit; as contexts too", async () => {
    const repo = join(work, "repo");
    mkdirSync(join(repo, "sub"), { recursive: true });
    writeFileSync(join(repo, "sub/f"), "in git\n");
    writeFileSync(join(repo, "sub/Dockerfile"), "FROM bb:1\nCOPY . /ctx\n");
    const commit =
      "GIT_COMMITTER_DATE='@1600000000 +0000' git -c user.name=t -c user.email=t@x commit -qm 1 && git tag v1";
    await must("sh", ["-c", `git init -qb main && git add . && ${commit} && git update-server-info`], {
      cwd: repo,
    });
    const head = (await must("git", ["rev-parse", "HEAD"], { cwd: repo })).stdout.trim();
    answers.set("/repo.git/info/refs", ({ headers }) =>
      headers.authorization === `basic ${Buffer.from("x-access-token:g1t").toString("base64")}`
        ? undefined
        : { status: 403 },
    );
    writeFileSync(join(work, "git-token"), "g1t");
    const secret = ["--secret", `id=GIT_AUTH_TOKEN,src=${join(work, "git-token")}`];
    const url = `${address}/repo.git`;
    const directory = contextOf(`FROM bb:1
ADD ${url}?tag=v1&subdir=sub&checksum=${head} /a/
ADD --keep-git-dir=true ${url}#main /b/
ADD --link --checksum=${head.slice(0, 12)} ${url}#${head} /c/
`);
    assert.match((await plain(directory)).stderr, /403/);
    const id = await build(directory, ...secret);
    assert.equal(
      await inImage(id, "cat /a/f; stat -c %Y /a/f; ls -d /b/.git; ls -A /c"),
      "in git\n1600000000\n/b/.git\nsub\n",
    );
    requests.length = 0;
    assert.equal(await build(directory, ...secret), id);
    assert.deepEqual(
      requests.filter(({ url: path }) => path?.includes("/objects/")),
      [],
    );
    const bad = contextOf(`FROM bb:1\nADD ${url}?tag=v1&checksum=${"0".repeat(40)} /a/\n`);
    assert.match((await plain(bad, ...secret)).stderr, /no 0{40}|checksum|remote|0{40}/);
    const asContext = await build(`${url}#main:sub`, ...secret);
    assert.equal(await inImage(asContext, "ls -A /ctx"), "Dockerfile\nf\n");
    const kept = await build(
      `${url}?subdir=.`,
      "-f",
      "sub/Dockerfile",
      ...secret,
      "--build-arg",
      "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1",
    );
    assert.match(await inImage(kept, "ls -A /ctx"), /^\.git$/m);
  });

  test("COPY --link: no link of the base is followed, no directory on the way is changed, another base keeps it cached", async () => {
    const rest = "COPY --link f /lnk/f\nCOPY --link f /tmp/f\n";
    const base = (name: string) =>
      `FROM bb:1\nRUN ln -s /real /lnk; mkdir -p /real /tmp; chmod 1777 /tmp; touch /${name}\n`;
    const id = await build(contextOf(base("one") + rest, { f: "f\n" }));
    assert.equal(
      await inImage(id, "cat /lnk/f; ls -A /real; stat -c %F:%a /lnk /tmp"),
      "f\ndirectory:755\ndirectory:1777\n",
    );
    const { stderr } = await plain(contextOf(base("two") + rest, { f: "f\n" }));
    assert.equal(stderr.match(/^#\d+ CACHED/gm)?.length, 2);
  });

  test("named contexts: an OCI layout by tag and digest, a directory as a base, an image in another's place", async () => {
    const layout = join(work, "layout");
    mkdirSync(layout);
    await engine.must(["build", "-q", "-t", "app:v1", contextOf("FROM bb:1\nRUN echo layout > /from\n")]);
    const archive = (await engine.must(["save", "--format", "oci", "app:v1"])).bytes;
    writeFileSync(join(work, "layout.tar"), archive);
    await must("tar", ["xf", join(work, "layout.tar"), "-C", layout]);
    await engine.must(["rmi", "app:v1"]);
    const onLayout = contextOf("FROM base\nCOPY --from=base /from /copied\n");
    const id = await build(onLayout, "--build-context", `base=oci-layout://${layout}:v1`);
    assert.equal(await inImage(id, "cat /from /copied"), "layout\nlayout\n");
    const missing = await plain(onLayout, "--build-context", `base=oci-layout://${layout}:v2`);
    assert.match(missing.stderr, /the OCI layout has no v2/);
    const root = join(work, "root");
    mkdirSync(root);
    await must("tar", ["xf", "-", "-C", root], { stdin: tarball(busyboxMembers()) });
    const onDirectory = contextOf("FROM rootfs\nRUN echo ran > /ran\n");
    const begun = await build(onDirectory, "--build-context", `rootfs=${root}`);
    assert.equal(await inImage(begun, "cat /ran"), "ran\n");
    const replaced = contextOf("FROM docker.io/library/nowhere:latest\nRUN echo $GREETING > /g\n");
    assert.equal(
      await inImage(await build(replaced, "--build-context", "nowhere=docker-image://bb:1"), "cat /g"),
      "hello\n",
    );
  });

  test("settings of the steps: limits, hosts, capabilities, volumes; the word about what is not watched", async () => {
    const seen = join(work, "seen");
    mkdirSync(seen);
    writeFileSync(join(seen, "f"), "first\n");
    const directory = contextOf(`FROM bb:1
RUN ulimit -n > /o; grep added /etc/hosts >> /o; grep nameserver /etc/resolv.conf >> /o; grep CapEff /proc/self/status >> /o; df -k /dev/shm | tail -1 | awk '{print $2}' >> /o; hostname >> /o; cat /v/f >> /o
`);
    const flags = [
      ["--ulimit", "nofile=123:456"],
      ["--add-host", "added:10.1.2.3"],
      ["--dns", "10.9.8.7"],
      ["--cap-drop", "ALL"],
      ["--shm-size", "1m"],
      ["--cpu-shares", "512"],
      ["--memory", "512m"],
      ["-v", `${seen}:/v:ro`],
    ].flat();
    const id = await build(directory, ...flags);
    const lines = (await inImage(id, "cat /o; ls -d /v 2>&1 || true")).split("\n");
    assert.deepEqual(
      [lines[0], lines[1]?.replace(/\s+/, " "), ...lines.slice(2, 7)],
      [
        "123",
        "10.1.2.3 added",
        "nameserver 10.9.8.7",
        "CapEff:\t0000000000000000",
        "1024",
        "buildkitsandbox",
        "first",
      ],
    );
    writeFileSync(join(seen, "f"), "second\n");
    const again = await plain(directory, ...flags, "--cgroup-parent", "/x");
    assert.match(again.stderr, /CACHED/);
    assert.match(again.stderr, /-v .*:\/v:ro: the steps see it, but what is in it does not decide/);
    assert.doesNotMatch(
      (await plain(directory, ...flags, "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=mine")).stderr,
      /CACHED/,
    );
  });

  test("as Podman's users write it: --env, --from, --unset…, --ignorefile, several -f, --logfile, --layers, --pull=never", async () => {
    const directory = contextOf(
      "FROM nothing-like-it\nARG TARGETSTAGE\nRUN echo $FROM_FLAG $TARGETSTAGE > /o\nCOPY . /c\n",
      {
        more: "RUN echo more > /more\n",
        kept: "",
        left: "",
        rules: "left\n*ockerfile\nmore\nrules\n",
      },
    );
    const log = join(work, "log");
    const id = await build(
      directory,
      ...[
        "--from",
        "bb:1",
        "--env",
        "FROM_FLAG=given",
        "--unsetenv",
        "GREETING",
        "--label",
        "a=b",
        "--unsetlabel",
        "a",
      ],
      ...[
        "-f",
        join(directory, "Dockerfile"),
        "-f",
        join(directory, "more"),
        "--omit-history",
        "--isolation",
        "oci",
      ],
      ...["--ignorefile", join(directory, "rules"), "--jobs", "4", "--format", "docker", "--pull=never"],
    );
    assert.equal(
      await inImage(id, "cat /o /more; ls -A /c; echo $FROM_FLAG/$GREETING"),
      "given default\nmore\nkept\ngiven/\n",
    );
    const [image] = JSON.parse((await engine.must(["inspect", id])).stdout);
    assert.equal(image.Config.Labels?.a, undefined);
    assert.doesNotMatch((await engine.must(["history", "--no-trunc", id])).stdout, /RUN|COPY/);
    const quiet = await engine.must([
      "build",
      "--network",
      "none",
      "--from",
      "bb:1",
      "--logfile",
      log,
      directory,
    ]);
    assert.doesNotMatch(quiet.stderr, /RUN echo/);
    assert.match(readFileSync(log, "utf8"), /RUN echo \$FROM_FLAG/);
    assert.match((await plain(directory, "--pull=never")).stderr, /No such image: nothing-like-it/);
    assert.match((await plain(directory, "--isolation", "chroot")).stderr, /there is no other isolation/);
  });

  test("other frontends are refused; stages by --no-cache-filter, and all of them", async () => {
    const other = await plain(contextOf("# syntax=some/frontend:1\nwhatever\n"));
    assert.match(other.stderr, /the frontend some\/frontend:1 cannot be run/);
    const directory = contextOf(
      "FROM bb:1 AS one\nRUN echo 1\nFROM bb:1 AS unused\nRUN echo u\nFROM bb:1 AS two\nRUN echo 2\nCOPY --from=one /bin /b\n",
    );
    await build(directory);
    const { stderr } = await plain(directory, "--no-cache-filter", "two");
    assert.match(stderr, /RUN echo 1\n#\d+ CACHED/);
    assert.doesNotMatch(stderr, /RUN echo 2\n#\d+ CACHED|RUN echo u/);
    assert.match((await plain(directory, "--skip-unused-stages=false")).stderr, /RUN echo u/);
  });

  test("a platform of another machine: the line that cannot run, and with an emulator it runs", async () => {
    const place = join(work, "binfmt");
    const name = `ply-test-${process.pid}`;
    // The head of a program for a machine that nobody has: an emulator is found by these bytes alone.
    const head = Buffer.from(
      "7f454c46020101000000000000000000020039300100000000000000000000000000000000000000",
      "hex",
    );
    const foreign = tarball([
      { name: "bin/", type: "5" },
      { name: "bin/sh", data: head, mode: 0o755 },
    ]);
    await engine.must(["import", "--platform", "linux/loong64", "-", "foreign:1"], { stdin: foreign });
    const directory = contextOf(
      "FROM --platform=$BUILDPLATFORM bb:1 AS cc\nARG TARGETARCH\nRUN echo for $TARGETARCH > /out\nFROM foreign:1\nCOPY --from=cc /out /out\nRUN read a < /out; echo $a, really > /ran\n",
    );
    const refused = await plain(directory, "--platform", "linux/loong64");
    assert.match(refused.stderr, /this machine cannot run linux\/loong64 binaries/);
    assert.match(refused.stderr, /install qemu-user-static/);
    assert.match(refused.stderr, />>> RUN read a/);
    mkdirSync(place);
    await must("mount", ["-t", "binfmt_misc", "none", place]);
    try {
      const magic = [...head.subarray(0, 20)]
        .map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`)
        .join("");
      // busybox runs the applet by whose name it finds the program: it stands in for an emulator.
      writeFileSync(join(place, "register"), `:${name}:M::${magic}::/bin/busybox:F`);
      try {
        const id = await build(directory, "--platform", "linux/loong64");
        const { stdout } = await engine.must([
          "run",
          "--rm",
          "--network",
          "none",
          id,
          "/bin/sh",
          "-c",
          "read a < /ran; echo $a",
        ]);
        assert.equal(stdout, "for loong64, really\n");
      } finally {
        writeFileSync(join(place, name), "-1");
      }
    } finally {
      await must("umount", [place]);
    }
  });

  test("the classic API: parameters as Docker means them, and its words for wrong ones", async () => {
    const directory = contextOf("FROM bb:1\nRUN ulimit -n; grep added /etc/hosts\n");
    const built = await engine.docker(
      [
        "build",
        "--network",
        "none",
        "--ulimit",
        "nofile=77:77",
        "--add-host",
        "added:1.2.3.4",
        "-m",
        "256m",
        "--memory-swap",
        "-1",
      ].concat([
        "--cpuset-cpus",
        "0",
        "--shm-size",
        "2m",
        "-t",
        "a:1",
        "-t",
        "a:2",
        "--force-rm",
        "--compress",
        directory,
      ]),
      { env: { DOCKER_BUILDKIT: "0" } },
    );
    assert.equal(built.code, 0, built.stderr);
    assert.match(built.stdout, /^77$/m);
    assert.match(built.stdout, /1\.2\.3\.4\s+added/);
    assert.match(built.stdout, /Successfully tagged a:1\nSuccessfully tagged a:2/);
    for (const [query, status, words] of [
      ["isolation=hyperv", 400, /Unsupported isolation/],
      ["version=3", 400, /invalid version/],
      ["ulimits=x", 400, /error reading ulimits/],
      ["t=A%20B", 400, /invalid reference/],
    ] as const) {
      const answer = await engine.request("POST", `/build?${query}`);
      assert.equal(answer.status, status, query);
      assert.match(answer.text, words, query);
    }
  });
});
