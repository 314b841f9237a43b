import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import type { TestEngine } from "../support/ply.ts";
import { must, run, until } from "../support/process.ts";
import { tarball } from "../support/tarball.ts";

describe("ply build", { skip: unless("root", "git", "xz") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;
  let contextOf: BuildRoom["contextOf"];
  let build: BuildRoom["build"];
  let inImage: BuildRoom["inImage"];
  let server: Server;
  let address: string;

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work, contextOf, build, inImage } = room);
    const served = new Map<string, Buffer>([
      ["/file.txt", Buffer.from("fetched\n")],
      ["/archive.tar.gz", gzipSync(tarball([{ name: "in/f", data: "f" }]))],
      [
        "/context.tar.gz",
        gzipSync(
          tarball([
            { name: "Dockerfile", data: "FROM bb:1\nCOPY x /x\n" },
            { name: "x", data: "x" },
          ]),
        ),
      ],
      ["/Dockerfile", Buffer.from("FROM bb:1\nENV FROM_URL=1\n")],
    ]);
    server = createServer((request, response) => {
      const path = request.url?.split("?")[0] ?? "";
      const body = served.get(path) ?? room.repositoryFile(path);
      response.writeHead(body === undefined ? 404 : 200, {
        "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
        "Content-Type": "application/octet-stream",
      });
      response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(async () => {
    server.close();
    await room[Symbol.asyncDispose]();
  });

  /** What `build` says of each step: `CACHED`, `DONE`. */
  const states = async (directory: string, ...flags: string[]): Promise<string[]> => {
    const args = ["build", "--network", "none", "--progress", "plain", ...flags, directory];
    const { stderr } = await engine.must(args);
    return [...stderr.matchAll(/^#\d+ (CACHED|DONE)/gm)].map((match) => match[1] ?? "");
  };

  test("what RUN mounts: secrets, caches, files of others, tmpfs; none of it stays", async () => {
    const directory = contextOf(
      `FROM bb:1 AS tools
RUN mkdir /t && echo tool > /t/tool
FROM bb:1
RUN --mount=type=secret,id=token --mount=type=secret,id=word,env=WORD cat /run/secrets/token > /seen; echo $WORD >> /seen
RUN --mount=type=cache,target=/cache,id=c1 echo 1 >> /cache/count
RUN --mount=type=cache,target=/cache,id=c1 echo 2 >> /cache/count && cp /cache/count /count
RUN --mount=type=bind,from=tools,source=/t,target=/tools --mount=type=bind,target=/ctx cat /tools/tool /ctx/a > /bound; ! touch /tools/x
RUN --mount=type=bind,from=tools,source=/t,target=/tools,rw touch /tools/x && ls /tools > /rw
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x
RUN --network=none --mount=type=ssh,id=absent true
`,
      { a: "a\n", token: "s3cret\n" },
    );
    const flags = [
      "--secret",
      `id=token,src=${join(directory, "token")}`,
      "--secret",
      "id=word,env=THE_WORD",
    ];
    const { stdout } = await engine.must(["build", "--network", "none", "-q", ...flags, directory], {
      env: { THE_WORD: "w0rd" },
    });
    const id = stdout.trim();
    assert.equal(await inImage(id, "cat /seen /count /bound /rw"), "s3cret\nw0rd\n1\n2\ntool\na\ntool\nx\n");
    assert.equal(await inImage(id, "ls -d /cache /tools /ctx /scratch /run/secrets 2>/dev/null || true"), "");
    assert.doesNotMatch((await engine.must(["history", "--no-trunc", id])).stdout, /s3cret|w0rd/);
    const required = contextOf("FROM bb:1\nRUN --mount=type=secret,id=nope,required true\n");
    assert.match((await engine.ply(["build", required])).stderr, /secret nope: not found/);
  });

  test("heredocs: scripts, several, with a program of their own, as files", async () => {
    const id = await build(
      contextOf(`FROM bb:1
ARG V=val
RUN <<EOF
echo one > /one
echo $V >> /one
EOF
RUN cat <<A > /two && cat <<'B' >> /two
first $V
A
second $V
B
RUN <<EOF
#!/bin/sh
echo "by $0" > /three
EOF
COPY --chmod=600 --chown=1:2 <<one.txt <<"two.txt" /files/
it's "$V"
one.txt
$V
two.txt
`),
    );
    const script = "cat /one /two /three /files/one.txt /files/two.txt; stat -c '%a %u:%g' /files/one.txt";
    assert.equal(
      await inImage(id, script),
      'one\nval\nfirst val\nsecond $V\nby /dev/pipes/EOF\nit\'s "val"\n$V\n600 1:2\n',
    );
  });

  test("COPY as BuildKit has it: --chmod, --parents, --exclude, --link", async () => {
    const files = { "src/a/x.js": "x", "src/a/x.test.js": "t", "src/b/y.js": "y", "src/b/deep/z.js": "z" };
    const id = await build(
      contextOf(
        `FROM bb:1
COPY --chmod=u=rwx,go=rX src/a/x.js /one
COPY --exclude=**/*.test.js --exclude=b src /two/
COPY --parents src/*/x.js ./src/./b/**/z.js /three/
COPY --link src/a/x.js /four/
`,
        files,
      ),
    );
    assert.equal(
      await inImage(id, "stat -c %a /one; find /two /three /four -type f | sort"),
      "755\n/four/x.js\n/three/b/deep/z.js\n/three/src/a/x.js\n/two/a/x.js\n",
    );
  });

  test("ADD fetches, checks and unpacks", async () => {
    const bad = contextOf(`FROM bb:1\nADD --checksum=sha256:${"0".repeat(64)} ${address}/file.txt /bad\n`);
    assert.match((await engine.ply(["build", bad])).stderr, /digest mismatch sha256:[0-9a-f]{64}/);
    mkdirSync(join(work, "repo/sub"), { recursive: true });
    writeFileSync(join(work, "repo/sub/in-git"), "g\n");
    const commit = "git -c user.name=t -c user.email=t@x commit -qm 1";
    await must("sh", ["-c", `git init -qb main . && git add . && ${commit} && git update-server-info`], {
      cwd: join(work, "repo"),
    });
    const plain = tarball([
      { name: "t/", type: "5", mode: 0o700, uid: 5 },
      { name: "t/f", data: "plain", uid: 5, gid: 6 },
    ]);
    writeFileSync(join(work, "plain.tar"), plain);
    await must("xz", ["-k", join(work, "plain.tar")]);
    const local = contextOf(`FROM bb:1
ADD ${address}/file.txt /got/
ADD ${address}/archive.tar.gz /not-unpacked
ADD --unpack=true ${address}/archive.tar.gz /remote/
ADD plain.tar.xz /local/
ADD --unpack=false plain.tar.xz /kept
ADD ${address}/repo.git#main:sub /git/
`);
    writeFileSync(join(local, "plain.tar.xz"), readFileSync(join(work, "plain.tar.xz")));
    const id = await build(local);
    const script = [
      "cat /got/file.txt; stat -c '%a %Y' /got/file.txt; head -c 2 /not-unpacked | od -An -tx1",
      "cat /remote/in/f /local/t/f /git/in-git; stat -c '%a %u' /local/t; stat -c %u:%g /local/t/f; test -f /kept && echo kept",
    ].join("; ");
    assert.equal(await inImage(id, script), "fetched\n600 1445412480\n 1f 8b\nfplaing\n700 5\n5:6\nkept\n");
  });

  test("contexts: named, on standard input, by address", async () => {
    const other = contextOf("", { shared: "shared" });
    const directory = contextOf("FROM bb:1\nCOPY --from=more shared /s\nCOPY --from=img /etc/group /g\n");
    const named = ["--build-context", `more=${other}`, "--build-context", "img=docker-image://bb:1"];
    assert.match(await inImage(await build(directory, ...named), "cat /s; cat /g"), /^sharedroot:/);
    const input = async (text: string | Uint8Array, ...flags: string[]) =>
      (await engine.must(["build", "-q", ...flags], { stdin: text })).stdout.trim();
    const alone = await input("FROM bb:1\nENV ALONE=1\n", "-");
    assert.match((await engine.must(["inspect", alone])).stdout, /ALONE=1/);
    const members = [
      { name: "d/File", data: "FROM bb:1\nCOPY x /x\n" },
      { name: "x", data: "tar" },
    ];
    assert.equal(
      await inImage(await input(gzipSync(tarball(members)), "-f", "d/File", "-"), "cat /x"),
      "tar",
    );
    assert.equal(await inImage(await build(`${address}/context.tar.gz`), "cat /x"), "x");
    const byAddress = await build(`${address}/Dockerfile`);
    assert.match((await engine.must(["inspect", byAddress])).stdout, /FROM_URL=1/);
    assert.equal(
      await inImage(await input("FROM bb:1\nCOPY shared /y\n", "-f", "-", other), "cat /y"),
      "shared",
    );
  });

  test("ignore rules, and what --list-context says of them", async () => {
    const directory = contextOf("FROM bb:1\nCOPY . /all\n", {
      ".dockerignore": "*\n!src\n**/*.log\n!src/keep.log\n",
      "Other.Dockerfile": "FROM bb:1\nCOPY . /all\n",
      "Other.Dockerfile.dockerignore": "src\n",
      "src/a": "a",
      "src/b.log": "b",
      "src/keep.log": "k",
      top: "t",
    });
    const list = "cd /all; find . -type f | sort";
    assert.equal(await inImage(await build(directory), list), "./src/a\n./src/keep.log\n");
    const other = await build(directory, "-f", join(directory, "Other.Dockerfile"));
    assert.equal(
      await inImage(other, list),
      "./.dockerignore\n./Dockerfile\n./Other.Dockerfile\n./Other.Dockerfile.dockerignore\n./top\n",
    );
    const listed = (await engine.must(["build", "--list-context", directory])).stdout;
    assert.match(listed, /- {2}src\/b\.log {2}left out by \*\*\/\*\.log \(line 3\)/);
    assert.match(listed, /2B {2}in 2 files/);
  });

  test("the cache: contents count, times do not; a changed file runs what depends on it", async () => {
    const directory = contextOf("FROM bb:1\nCOPY a /a\nCOPY b /b\nRUN cat /a /b > /c\nENV X=1\n", {
      a: "cache a",
      b: "cache b",
    });
    const cached = ["DONE", "CACHED", "CACHED", "CACHED", "CACHED"];
    assert.deepEqual(await states(directory), ["DONE", "DONE", "DONE", "DONE", "DONE"]);
    utimesSync(join(directory, "a"), 1, 1);
    const first = await build(directory);
    assert.deepEqual(await states(directory), cached);
    writeFileSync(join(directory, "b"), "changed");
    assert.deepEqual(await states(directory), ["DONE", "CACHED", "DONE", "DONE", "DONE"]);
    writeFileSync(join(directory, "b"), "cache b");
    assert.equal(await build(directory), first);
    await engine.restart();
    assert.deepEqual(await states(directory), cached);
    assert.deepEqual(await states(directory, "--no-cache"), ["DONE", "DONE", "DONE", "DONE", "DONE"]);
    assert.match((await engine.must(["builder", "prune", "-af"])).stdout, /Total reclaimed space:/);
    assert.deepEqual((await states(directory)).slice(1, 4), ["DONE", "DONE", "DONE"]);
  });

  test("the same bytes every time, with one time for everything or none later than one", async () => {
    const recipe =
      "FROM bb:1\nWORKDIR /w\nCOPY . /all/\nRUN echo made > /made\nCOPY <<E /x\nx\nE\nLABEL a=b\n";
    for (const flags of [
      ["--timestamp", "1000000000"],
      ["--build-arg", "SOURCE_DATE_EPOCH=1000000000"],
    ]) {
      const one = await build(contextOf(recipe, { "d/f": "f", g: "g" }), "--no-cache", ...flags);
      const { stdout } = await engine.must([
        "run",
        "--rm",
        "--network",
        "none",
        one,
        "stat",
        "-c",
        "%Y",
        "/w",
        "/all/d/f",
        "/made",
        "/x",
      ]);
      assert.equal(stdout, "1000000000\n".repeat(4));
      await engine.must(["rmi", one]);
      await engine.must(["builder", "prune", "-af"]);
      assert.equal(await build(contextOf(recipe, { "d/f": "f", g: "g" }), "--no-cache", ...flags), one);
    }
  });

  test("stages side by side, several names, target, platform arguments, --iidfile", async () => {
    const meet = (own: string, other: string) =>
      `RUN --mount=type=cache,target=/m,id=meet touch /m/${own}; for n in $(seq 200); do test -e /m/${other} && exit 0; sleep 0.1; done; exit 1`;
    const directory = contextOf(`FROM bb:1 AS left
${meet("left", "right")}
FROM bb:1 AS right
${meet("right", "left")}
FROM bb:1 AS both
ARG TARGETPLATFORM
COPY --from=left /etc/passwd /l
COPY --from=right /etc/passwd /r
ENV P=$TARGETPLATFORM
FROM both AS never
RUN exit 9
`);
    const iid = join(work, "iid");
    const names = ["-t", "multi:1", "-t", "multi:2"];
    const id = await build(directory, ...names, "--target", "both", "--iidfile", iid, "--label", "k=v");
    assert.equal(readFileSync(iid, "utf8"), id);
    const inspected = (
      await engine.must(["inspect", "-f", "{{.Id}} {{json .Config.Labels}} {{json .Config.Env}}", "multi:2"])
    ).stdout;
    assert.match(inspected, new RegExp(`^${id} {"k":"v"} .*"P=linux/`));
  });

  test("what is wrong is said with file and line", async () => {
    const cases: readonly (readonly [dockerfile: string, words: RegExp])[] = [
      [
        "FROM bb:1\nRUN exit 7\n",
        /Dockerfile:2\n-+\n {3}1 \| {5}FROM bb:1\n {3}2 \| >>> RUN exit 7\n-+\n.*returned a non-zero code: 7/s,
      ],
      ["FROM bb:1\nCOPY gone /\n", /stat gone: file does not exist/],
      [
        "FROM bb:1 AS b\nCOPY --from=c / /\nFROM bb:1 AS c\nCOPY --from=b / /\n",
        /circular dependency detected on stage/,
      ],
      ["FROM 127.0.0.1:1/nothing:1\n", /127\.0\.0\.1:1/],
      ["FROM bb:1\nRUN <<EOF\n", /line 2 of Dockerfile: unterminated heredoc/],
      ["FROM bb:1\nUSER nobody-here\nRUN true\n", /nobody-here/],
      ['FROM bb:1\nRUN ["/nope"]\n', /nope/],
    ];
    for (const [dockerfile, words] of cases) {
      const { code, stderr } = await engine.ply(["build", "--network", "none", contextOf(dockerfile)]);
      assert.equal(code, 1, dockerfile);
      assert.match(stderr, words);
    }
    const leading = contextOf("FROM bb:1\nCOPY out /out\n");
    symlinkSync("/etc/hostname", join(leading, "out"));
    assert.match((await engine.ply(["build", leading])).stderr, /stat out: file does not exist/);
    await leavesNothing();
  });

  test("ONBUILD triggers of the base run", async () => {
    await build(
      contextOf("FROM bb:1\nONBUILD COPY . /app\nONBUILD RUN cat /app/f > /ran\n"),
      "-t",
      "onbuild:1",
    );
    const id = await build(contextOf("FROM onbuild:1\nENV A=1\n", { f: "file" }));
    assert.equal(await inImage(id, "cat /ran"), "file");
    assert.match(
      (await engine.must(["inspect", "-f", "{{json .Config.OnBuild}}", id])).stdout,
      /^(null|\[\])/,
    );
  });

  test("a client that goes away takes its build along", async () => {
    const stopped = new AbortController();
    const answer = await fetch("http://ply/build?networkmode=none", {
      method: "POST",
      unix: engine.socket,
      body: tarball([{ name: "Dockerfile", data: "FROM bb:1\nCOPY . /x\nRUN echo begun; sleep 300\n" }]),
      signal: stopped.signal,
    });
    let said = "";
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      said += Buffer.from(chunk).toString();
      if (said.includes("begun\\n")) break;
    }
    stopped.abort();
    await leavesNothing();
  });

  for (const client of ["/usr/local/bin/docker", "/usr/bin/docker"])
    test(`${client} builds with the classic API`, { skip: unless(`file:${client}`) }, async () => {
      const recipe =
        "FROM bb:1 AS one\nARG A\nRUN echo $A > /a\nFROM bb:1\nCOPY --from=one /a f /\nCMD cat /a\n";
      const directory = contextOf(recipe.replace("/a f /", "/a /"), {
        f: "f",
        left: "out",
        ".dockerignore": "left\n",
      });
      const env = { DOCKER_HOST: engine.host, DOCKER_BUILDKIT: "0", DOCKER_CONFIG: join(work, "config") };
      const docker = (...args: string[]) => run(client, args, { env });
      const flags = ["--network", "none", "--build-arg", `A=${client}`];
      const built = await docker("build", ...flags, "-t", "classic:1", "-t", "classic:2", directory);
      assert.equal(built.code, 0, built.stderr);
      assert.match(
        built.stdout,
        /Step 1\/6 : FROM bb:1 AS one[\s\S]*Successfully built [0-9a-f]{12}\nSuccessfully tagged classic:1\nSuccessfully tagged classic:2\n/,
      );
      assert.equal((await docker("run", "--rm", "--network", "none", "classic:2")).stdout, `${client}\n`);
      assert.match((await docker("build", ...flags, directory)).stdout, / ---> Using cache/);
      assert.match((await docker("build", "-q", ...flags, directory)).stdout, /^sha256:[0-9a-f]{64}\n$/);
      const failed = await docker("build", "--network", "none", contextOf("FROM bb:1\nRUN exit 3\n"));
      assert.equal(failed.code, 3);
      assert.match(failed.stderr, /The command '\/bin\/sh -c exit 3' returned a non-zero code: 3/);
    });

  /** No container, mount or file of a build. */
  async function leavesNothing(): Promise<void> {
    await until("no container is left", async () => (await engine.must(["ps", "-aq"])).stdout === "");
    assert.match((await engine.must(["system", "check"])).stdout, /verified/);
    await until("no file is left", () => readdirSync(join(engine.root, "build", "spool")).length === 0);
    assert.doesNotMatch(
      readFileSync("/proc/self/mountinfo", "utf8"),
      new RegExp(`${engine.root}/containers`),
    );
  }
});
