import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../../error.ts";
import type { ServeOptions } from "../command.ts";
import { runCli } from "../run-cli.ts";
import { jsonLines, startFakeEngine } from "../testing/fake-engine.ts";
import { fakeStdio } from "../testing/fake-stdio.ts";
import { runPly } from "../testing/run.ts";

describe("ply version", () => {
  test("--client asks nobody", async () => {
    const { stdout, code } = await runPly(["version", "--client"], {
      env: { PLY_HOST: "unix:///nonexistent" },
    });
    assert.equal(code, 0);
    assert.match(stdout, /^Client: ply\n Version: +\d/);
  });

  test("shows the client's also when no engine answers", async () => {
    const { stdout, stderr, code } = await runPly(["version"], { env: { PLY_HOST: "unix:///nonexistent" } });
    assert.equal(code, 1);
    assert.match(stdout, /^Client: ply\n/);
    assert.match(stderr, /Cannot connect/);
  });

  test("shows both, and fields of both", async () => {
    await using engine = await startFakeEngine({
      "GET /version": {
        json: {
          Platform: { Name: "ply engine" },
          Components: [{ Name: "crun", Version: "1.8" }],
          Version: "9.9",
          ApiVersion: "1.50",
          MinAPIVersion: "1.24",
          Os: "linux",
          Arch: "amd64",
          KernelVersion: "6",
        },
      },
    });
    const { stdout } = await runPly(["version"], { engine });
    assert.match(
      stdout,
      /Server: ply engine\n Version: +9\.9\n API version: +1\.50 \(minimum version 1\.24\)/,
    );
    assert.match(stdout, / crun: +1\.8\n/);
    assert.equal((await runPly(["version", "-f", "{{.Server.Version}}"], { engine })).stdout, "9.9\n");
  });
});

describe("ply info", () => {
  test("says what the engine is and why it uses what it uses", async () => {
    await using engine = await startFakeEngine({
      "GET /info": {
        json: {
          Containers: 3,
          ContainersRunning: 1,
          ContainersPaused: 0,
          ContainersStopped: 2,
          Images: 7,
          Driver: "erofs",
          DriverStatus: [["Backing", "files"]],
          CgroupVersion: "1",
          CgroupDriver: "cgroupfs",
          KernelVersion: "6.18",
          OperatingSystem: "Debian",
          Architecture: "x86_64",
          NCPU: 2,
          MemTotal: 4 * 2 ** 30,
          Name: "box",
          Warnings: ["w1"],
          SecurityOptions: ["name=seccomp"],
        },
      },
      "GET /ply/info": {
        json: {
          id: "id",
          version: "0.1.0",
          pid: 5,
          root: "/var/lib/ply",
          storageDriver: { name: "erofs", description: "mounts files" },
          runtime: { name: "crun", version: "1.8" },
          conmonVersion: "2.1",
          startedAt: Date.now() - 5000,
          warnings: ["w1", "w2"],
        },
      },
    });
    const { stdout, stderr } = await runPly(["info"], { engine });
    assert.match(stdout, /^Storage driver: +erofs: mounts files$/m);
    assert.match(stdout, /^Memory: +4\.00GiB$/m);
    assert.equal(stderr, "WARNING: w1\nWARNING: w2\n");
    assert.equal(
      (await runPly(["info", "-f", "{{.Driver}} {{.Ply.root}}"], { engine })).stdout,
      "erofs /var/lib/ply\n",
    );
  });
});

describe("ply events", () => {
  const event = {
    Type: "image",
    Action: "pull",
    Actor: { ID: "debian:12", Attributes: { name: "debian", a: "b" } },
    scope: "local",
    time: 1_777_593_600,
    timeNano: 1_777_593_600 * 1e9 + 894e6,
  };

  test("one line per event, in Docker's form, as a template or as JSON", async () => {
    await using engine = await startFakeEngine({ "GET /events": jsonLines(event, event) });
    const { stdout } = await runPly(["events", "--since", "2026-05-01T00:00:00Z", "-f", "type=image"], {
      engine,
    });
    assert.match(stdout, /^(2026-0\S+T\S+\.894000000\S+ image pull debian:12 \(a=b, name=debian\)\n){2}$/);
    assert.equal(engine.requests[0]?.query.get("since"), "1777593600");
    assert.equal(engine.requests[0]?.query.get("filters"), '{"type":["image"]}');
    const formatted = await runPly(["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"], {
      engine,
    });
    assert.equal(formatted.stdout, "pull debian\npull debian\n");
    assert.equal(
      (await runPly(["events", "--format", "json"], { engine })).stdout.split("\n")[0],
      JSON.stringify(event),
    );
    assert.equal((await runPly(["events", "--format", "{{"], { engine })).code, 1);
  });

  test("Ctrl-C is how one leaves", async () => {
    await using engine = await startFakeEngine({
      "GET /events": (_request, response) => {
        response.writeHead(200);
        response.write(`${JSON.stringify(event)}\n`);
      },
    });
    const { code } = await runPly(["events"], {
      engine,
      during: (stdio) => {
        const wait = setInterval(() => {
          if (stdio.stdout() === "") return;
          clearInterval(wait);
          stdio.signal("SIGINT");
        }, 1);
      },
    });
    assert.equal(code, 0);
  });
});

describe("ply serve", () => {
  async function serve(
    words: readonly string[],
    result?: Error,
    before: readonly string[] = [],
  ): Promise<{ options: ServeOptions[]; code: number; stderr: string }> {
    const options: ServeOptions[] = [];
    const stdio = fakeStdio();
    const code = await runCli([...before, "serve", ...words], {
      stdio,
      env: {},
      uid: 0,
      startEngine: async () => assert.fail("serve needs no engine"),
      examine: async () => [],
      serve: async (given) => {
        options.push(given);
        if (result !== undefined) throw result;
      },
    });
    return { options, code, stderr: stdio.stderr() };
  }

  test("has the roots and the socket of design.md, or those given", async () => {
    const { options } = await serve([]);
    const { root: usualRoot, runRoot: usualRunRoot, hosts: usualHosts } = options[0] ?? assert.fail();
    assert.deepEqual(
      [usualRoot, usualRunRoot, usualHosts],
      ["/var/lib/ply", "/run/ply", ["unix:///run/ply/ply.sock"]],
    );
    const given = await serve(
      "--root /a --run-root /b -H unix:///c -H tcp://127.0.0.1:1 --storage-driver overlay2".split(" "),
    );
    const { root, runRoot, hosts, storageDriver } = given.options[0] ?? assert.fail();
    assert.deepEqual(
      { root, runRoot, hosts, storageDriver },
      {
        root: "/a",
        runRoot: "/b",
        hosts: ["unix:///c", "tcp://127.0.0.1:1"],
        storageDriver: "overlay2",
      },
    );
  });

  test("-H before the command is where it listens, too", async () => {
    const { options } = await serve([], undefined, ["-H", "unix:///x"]);
    assert.deepEqual(options[0]?.hosts, ["unix:///x"]);
  });

  test("a second engine on the same root ends with a code of its own", async () => {
    const { code, stderr } = await serve(
      [],
      new PlyError("conflict", "another engine owns it", { hint: "stop it" }),
    );
    assert.equal(code, 75);
    assert.equal(stderr, "Error: another engine owns it\nHint: stop it\n");
  });
});

test("several requests at once start one engine", async () => {
  let started = 0;
  const stdio = fakeStdio();
  const code = await runCli(["info"], {
    stdio,
    env: { XDG_RUNTIME_DIR: "/nonexistent" },
    uid: 1000,
    examine: async () => [],
    serve: async () => {},
    startEngine: async () => {
      started++;
      throw new PlyError("unavailable", "no engine here");
    },
  });
  assert.deepEqual([code, started, stdio.stderr()], [1, 1, "Error: no engine here\n"]);
});

test("the default engine is started when nobody listens, and only then", async () => {
  await using engine = await startFakeEngine({ "GET /images/json": { json: [] } });
  const runtimeDir = engine.host.slice("unix://".length).replace(/\/ply\.sock$/, "");
  let started = 0;
  const run = (env: Record<string, string>) =>
    runCli(["images"], {
      stdio: fakeStdio(),
      env,
      uid: 1000,
      examine: async () => [],
      serve: async () => {},
      startEngine: async (address) => {
        started++;
        assert.ok(address.path.endsWith("/ply/ply.sock"));
        throw new PlyError("unavailable", "no engine here");
      },
    });
  assert.equal(await run({ XDG_RUNTIME_DIR: `${runtimeDir}/nope` }), 1);
  assert.equal(started, 1);
  assert.equal(await run({ PLY_HOST: engine.host }), 0);
  assert.equal(await run({ PLY_HOST: "unix:///nonexistent" }), 1);
  assert.equal(started, 1);
});
