import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import { mountsUnder, PLY_BINARY, type TestEngine } from "../support/ply.ts";
import { exited, until } from "../support/process.ts";
import { type Member, member, tarball } from "../support/tarball.ts";

const LOCKED = "RUN --mount=type=cache,target=/c,id=lock,sharing=locked";

describe("builds that cannot come to an end, or should not", { skip: unless("root") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;
  let contextOf: BuildRoom["contextOf"];
  let layers: number;
  /** Answers with a first part and keeps the rest. */
  let hanging: Server;
  let fetching = 0;

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work, contextOf } = room);
    layers = layersIn(engine.root).length;
    hanging = createServer((_, response) => {
      fetching++;
      response.on("close", () => fetching--);
      response.writeHead(200, { "Content-Length": "1000000" });
      response.write("a beginning");
    });
    await new Promise<void>((resolve) => hanging.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    hanging.closeAllConnections();
    hanging.close();
    await room[Symbol.asyncDispose]();
  });

  const build = (directory: string, ...flags: string[]) =>
    engine.ply(["build", "--network", "none", "-q", ...flags, directory]);
  const refused = async (directory: string, ...flags: string[]): Promise<string> => {
    const { code, stderr } = await build(directory, ...flags);
    assert.equal(code, 1, stderr);
    return stderr;
  };
  const startBuild = async (
    directory: string,
    isUnderWay: (said: string) => boolean,
  ): Promise<ChildProcess> => {
    const args = ["build", "--network", "none", "--progress", "plain", directory];
    const client = spawn(PLY_BINARY, args, {
      env: { ...process.env, PLY_HOST: engine.host, HOME: work },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    client.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until("the build is under way", () => {
      if (client.exitCode !== null) throw new Error(`the build ended: ${said}`);
      return isUnderWay(said);
    });
    return client;
  };
  const hasBegun = (said: string): boolean => /^#\d+ (?:[\d.]+ )?begun$/m.test(said);

  /** Nothing of a build: no container, mount, file, layer or lease, and nobody holds its caches. */
  const leavesNothing = async (): Promise<void> => {
    await until("no container is left", async () => (await engine.must(["ps", "-aq"])).stdout === "");
    const left = (): unknown[] => [
      ...leasesIn(engine.root),
      ...["build/spool", "ingest"].flatMap((each) => readdirSync(join(engine.root, each))),
      ...mountsUnder(engine.root),
      // An image's own files stay mounted for its next container.
      ...mountsUnder(engine.runRoot).slice(1),
    ];
    await until("nothing is left", () => left().length === 0).catch(() => assert.deepEqual(left(), []));
    await until("no layer is left", () => layersIn(engine.root).length === layers);
    assert.match((await engine.must(["system", "check"])).stdout, /verified/);
    const free = await build(contextOf(`FROM bb:1\n${LOCKED} true\n`), "--no-cache");
    assert.equal(free.code, 0, free.stderr);
    await engine.must(["rmi", free.stdout.trim()]);
    await engine.must(["builder", "prune", "-af"]);
  };

  test("a Dockerfile that is wrong: its line, and what was meant", async () => {
    for (const [lines, words] of [
      ["FORM bb:1\n", /Dockerfile:1[\s\S]*unknown instruction: FORM \(did you mean FROM\?\)/],
      ["FROM bb:1\n\n\nCOYP a b\n", /Dockerfile:4[\s\S]*unknown instruction: COYP \(did you mean COPY\?\)/],
      ["FROM bb:1\nCOPY --chwon=1 a b\n", /Dockerfile:2[\s\S]*unknown flag: --chwon[\s\S]*--chown/],
      ["FROM bb:1\nRUN --mount=type=cahce,target=/c x\n", /Dockerfile:2[\s\S]*cahce/],
      ["FROM bb:1 AS web\nFROM bb:1\nCOPY --from=wbe /a /b\n", /Dockerfile:3[\s\S]*wbe/],
      [
        "FROM bb:1 AS one\nRUN --mount=from=two,target=/m true\nFROM one AS two\n",
        /Dockerfile:[13][\s\S]*circular/,
      ],
      ["FROM bb:1\nENV \\\n  A=1 \\\n  B\n", /line 2 of Dockerfile/],
      ["FROM 127.0.0.1:1/no/registry:1\n", /Dockerfile:1[\s\S]*127\.0\.0\.1:1/],
      ["", /cannot be empty|no instructions/],
      ["\0\u0001\u0002", /unknown instruction/],
    ] as const)
      assert.match(await refused(contextOf(lines)), words, lines);
    assert.match(await refused(contextOf("FROM bb:1\n"), "-f", join(work, "none")), /none/);
    assert.match(await refused(join(work, "nowhere")), /nowhere/);
    await leavesNothing();
  });

  test("links of the context and of stages lead nowhere else", async () => {
    writeFileSync(join(work, "outside"), "outside");
    const out: Member & { readonly name: string } = { name: "out", type: "2", link: join(work, "outside") };
    const up: Member & { readonly name: string } = { name: "up", type: "2", link: "../.." };
    assert.match(
      await refused(contextOf("FROM bb:1\nCOPY out /x\n", [out])),
      /stat out: file does not exist/,
    );
    assert.match(await refused(contextOf(`FROM bb:1\nCOPY up${work}/outside /x\n`, [up])), /does not exist/);
    assert.match(
      await refused(contextOf("FROM bb:1\nRUN --mount=source=out,target=/m cat /m\n", [out])),
      /does not exist/,
    );
    const stage = `FROM bb:1 AS one\nRUN ln -s ${work}/outside /out && ln -s ../../../.. /up\nFROM bb:1\n`;
    assert.match(await refused(contextOf(`${stage}COPY --from=one /out /x\n`)), /does not exist/);
    assert.match(
      await refused(contextOf(`${stage}COPY --from=one /up${work}/outside /x\n`)),
      /does not exist/,
    );
    // A destination through a link ends in the image.
    const into = `FROM bb:1\nRUN ln -s ${work} /w\nCOPY f /w/outside\nRUN cat ${work}/outside\n`;
    const { stdout } = await build(contextOf(into, [{ name: "f", data: "inside" }]));
    assert.equal(readFileSync(join(work, "outside"), "utf8"), "outside");
    await engine.must(["rmi", stdout.trim()]);
    await engine.must(["builder", "prune", "-af"]);
    await leavesNothing();
  });

  test("archives that mean harm", async () => {
    const target = join(work, "harm");
    writeFileSync(target, "unharmed");
    const archives: readonly (readonly [what: string, archive: Buffer, words: RegExp])[] = [
      ["climbs", tarball([{ name: "../../../../../../../..".concat(target), data: "x" }]), /^$|\.\./],
      [
        "a link out, written through",
        tarball([
          { name: "l", type: "2", link: work },
          { name: "l/harm", data: "x" },
        ]),
        /^$/,
      ],
      [
        "a hard link to what is outside",
        tarball([{ name: "h", type: "1", link: target }]),
        /hard ?link|does not exist|no such/i,
      ],
      [
        "a hard link that climbs",
        tarball([{ name: "h", type: "1", link: `../../../..${target}` }]),
        /link|\.\./i,
      ],
      [
        "a hole without end",
        Buffer.concat([sparseHeader(2 ** 52), Buffer.alloc(1024)]),
        /sparse files of more than/,
      ],
      ["a size without end", tarball([{ name: "f", claimedSize: 2 ** 50, data: "x" }]), /ends at byte/],
      [
        "a gzip that is cut",
        gzipSync(tarball([{ name: "f", data: randomBytes(100_000) }])).subarray(0, 50_000),
        /end|corrupt|gzip/i,
      ],
      ["a name beyond all", tarball([{ name: "n".repeat(100_000), data: "x" }]), /name|path|long/i],
    ];
    for (const [what, archive, words] of archives) {
      const { code, stdout, stderr } = await build(
        contextOf("FROM bb:1\nADD a.tar /d/\n", [{ name: "a.tar", data: archive }]),
      );
      assert.match(code === 0 ? "" : stderr, words, what);
      if (code === 0) await engine.must(["rmi", stdout.trim()]);
      assert.equal(readFileSync(target, "utf8"), "unharmed", what);
    }
    const asContext = await fetch("http://x/build?networkmode=none", {
      method: "POST",
      unix: engine.socket,
      body: tarball([
        { name: "Dockerfile", data: "FROM bb:1\nCOPY . /x\n" },
        { name: "../up", data: "x" },
      ]),
    });
    assert.match(await asContext.text(), /errorDetail|message|Successfully built/);
    await engine.must(["image", "prune", "-f"]);
    await engine.must(["builder", "prune", "-af"]);
    await leavesNothing();
  });

  test("cancelled: by Ctrl-C, by a client killed, by its id, while it is sent, while it fetches", async () => {
    const sleeping = contextOf(`FROM bb:1\n${LOCKED} echo begun; sleep 300\n`);
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGKILL", null],
    ] as const) {
      const client = await startBuild(sleeping, hasBegun);
      client.kill(signal);
      await exited(client);
      assert.equal(client.exitCode, code);
      await leavesNothing();
    }

    const named = await fetch("http://x/build?networkmode=none&buildid=mine", {
      method: "POST",
      unix: engine.socket,
      body: tarball([{ name: "Dockerfile", data: `FROM bb:1\n${LOCKED} echo begun; sleep 300\n` }]),
    });
    let said = "";
    for await (const chunk of named.body as unknown as AsyncIterable<Uint8Array>) {
      said += Buffer.from(chunk).toString();
      if (!said.includes("begun\\n") || said.includes("asked")) continue;
      said += "asked";
      assert.equal((await engine.request("POST", "/build/cancel?id=mine")).status, 204);
    }
    assert.match(said, /cancel/);
    await leavesNothing();

    const sending = connect(engine.socket);
    sending.write("POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    sending.write(member({ name: "large", data: Buffer.alloc(1 << 20) }));
    const spool = join(engine.root, "build/spool");
    await until("some of it is there", () => readdirSync(spool).length > 0);
    sending.destroy();
    await leavesNothing();

    const { port } = hanging.address() as AddressInfo;
    for (const lines of [
      `FROM bb:1\nADD http://127.0.0.1:${port}/f /f\n`,
      `FROM 127.0.0.1:${port}/image:1\n`,
      `FROM bb:1\nADD http://127.0.0.1:${port}/x.git /f\n`,
    ]) {
      const client = await startBuild(contextOf(lines), () => fetching > 0);
      client.kill("SIGINT");
      await exited(client);
      await until("nobody fetches", () => fetching === 0);
    }
    await leavesNothing();
  });

  test("a RUN that fails takes the stages beside it along", async () => {
    const lines = `FROM bb:1 AS slow\n${LOCKED} sleep 300\nFROM bb:1 AS bad\nRUN false\nFROM bb:1\nCOPY --from=slow / /a\nCOPY --from=bad / /b\n`;
    assert.match(await refused(contextOf(lines)), /Dockerfile:4[\s\S]*non-zero code: 1/);
    await leavesNothing();
  });

  test("the engine is killed in the middle", async () => {
    const lines = `FROM bb:1\nCOPY Dockerfile /x\n${LOCKED} --mount=target=/ctx,rw echo begun; sleep 300\n`;
    const client = await startBuild(contextOf(lines), hasBegun);
    await engine.kill("SIGKILL");
    await exited(client);
    assert.notEqual(client.exitCode, 0);
    await engine.start();
    await engine.must(["builder", "prune", "-af"]);
    await leavesNothing();
  });
});

function layersIn(root: string): string[] {
  return readdirSync(join(root, "layers"));
}

/** Leases that are neither a cache's nor a container's. */
function leasesIn(root: string): unknown[] {
  const database = new DatabaseSync(join(root, "ply.db"), { readOnly: true });
  try {
    return database.prepare("SELECT owner FROM leases WHERE owner LIKE 'build:%'").all();
  } finally {
    database.close();
  }
}

/** A file of no data that says how long it is (PAX, GNU sparse 0.1). */
function sparseHeader(size: number): Buffer {
  return member({ name: "hole", pax: { "GNU.sparse.size": String(size), "GNU.sparse.map": "" } });
}
