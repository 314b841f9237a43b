import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { resourceLimits } from "../linux/index.ts";
import {
  buildSpec,
  cgroupPathOf,
  clampRlimits,
  inspectCgroups,
  type LaunchOptions,
  type OciRuntime,
  type OciSpec,
  openRuntime,
  openSeccompProfiles,
  ownCapabilities,
  type RuntimeStreams,
  resolveCapabilities,
  type SpecOptions,
} from "./index.ts";
import { makeBusyboxRoot } from "./testing/index.ts";

const reason =
  process.versions["bun"] === undefined
    ? "conmon's socket needs Bun"
    : process.getuid?.() !== 0
      ? "containers need root"
      : !existsSync("/usr/bin/conmon") || !existsSync("/bin/busybox")
        ? "conmon or busybox-static is not installed"
        : undefined;

const decoder = new TextDecoder();

/** A spec with nothing in it but the command. */
function plainSpec(rootfs: string, args: string[], cgroupsPath: string | null): OciSpec {
  return buildSpec({
    rootfs,
    readOnlyRootfs: false,
    args,
    env: ["PATH=/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, additionalGids: [] },
    terminal: false,
    hostname: "box",
    network: "host",
    mounts: [],
    privileged: false,
    capabilities: [],
    seccomp: null,
    noNewPrivileges: false,
    rlimits: [],
    cgroupsPath,
    ownCgroupNamespace: false,
    shmSize: 65_536,
    devices: [],
  });
}

async function readAll(streams: RuntimeStreams): Promise<{ stdout: string; stderr: string }> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  for await (const { stream, bytes } of streams.output) parts[stream].push(bytes);
  return {
    stdout: decoder.decode(Buffer.concat(parts.stdout)),
    stderr: decoder.decode(Buffer.concat(parts.stderr)),
  };
}

describe("other ways to run", { skip: reason, timeout: 60_000 }, () => {
  const ways = [
    { name: "runc", options: { runtimePath: "/usr/sbin/runc" } },
    { name: "crun without cgroups", options: { withoutCgroups: true } },
  ];
  for (const { name, options } of ways)
    test(`${name}: output, exit codes, signals, errors, and nothing left`, {
      skip:
        options.runtimePath !== undefined && !existsSync(options.runtimePath)
          ? "runc is not installed"
          : false,
    }, async () => {
      const dir = await mkdtemp(join(tmpdir(), "ply-runtime-"));
      const root = join(dir, "root");
      await makeBusyboxRoot(root);
      const runtime = await openRuntime({ runRoot: join(dir, "run"), ...options });
      try {
        const launch = async (id: string, args: string[]) =>
          runtime.create({
            id,
            spec: plainSpec(root, args, runtime.hasCgroups ? cgroupPathOf(id) : null),
            terminal: false,
            stdin: false,
            stdinOnce: false,
            logPath: null,
          });
        for (const [command, exitCode] of [
          ["echo out; exit 3", 3],
          ["echo out; exit 137", 137],
        ] as const) {
          const id = `other-${process.pid}-${exitCode}`;
          await launch(id, ["sh", "-c", command]);
          await using streams = await runtime.attach(id);
          await runtime.start(id);
          assert.deepEqual(await readAll(streams), { stdout: "out\n", stderr: "" });
          assert.equal((await runtime.waitExit(id)).exitCode, exitCode);
          await runtime.delete(id);
        }
        const running = `other-${process.pid}-running`;
        await launch(running, ["sleep", "100"]);
        await runtime.start(running);
        await runtime.delete(running);
        for (const [command, exitCode] of [
          ["nope", 127],
          ["/bin/nope", 127],
          ["/etc/passwd", 126],
          ["/etc", 126],
        ] as const)
          await assert.rejects(launch(`other-${process.pid}-bad`, [command]), (error) => {
            assert.ok(isPlyError(error, "invalid"), String(error));
            assert.equal(error.details["exitCode"], exitCode, error.message);
            return true;
          });
        for (const folder of ["bundles", "exits", "state"])
          assert.deepEqual(await readdir(join(dir, "run/runtime", folder)), []);
      } finally {
        for (const id of await runtime.list()) await runtime.delete(id);
        await runtime[Symbol.asyncDispose]();
        await rm(dir, { recursive: true, force: true });
      }
    });
});

describe("crun under conmon", { skip: reason, timeout: 60_000 }, () => {
  let dir = "";
  let root = "";
  let runtime: OciRuntime;
  let count = 0;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "ply-runtime-"));
    root = join(dir, "root");
    await makeBusyboxRoot(root);
    runtime = await openRuntime({ runRoot: join(dir, "run") });
  });
  after(async () => {
    for (const id of await runtime.list()) await runtime.delete(id);
    await runtime[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function specOf(args: string[], over: Partial<SpecOptions> = {}): Promise<OciSpec> {
    const { capabilities } = resolveCapabilities({
      add: [],
      drop: [],
      privileged: false,
      available: ownCapabilities(),
    });
    return buildSpec({
      rootfs: root,
      readOnlyRootfs: false,
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      user: { uid: 0, gid: 0, additionalGids: [] },
      terminal: false,
      hostname: "box",
      network: "host",
      mounts: [],
      privileged: false,
      capabilities,
      seccomp: await openSeccompProfiles().defaultFor(capabilities),
      noNewPrivileges: false,
      rlimits: [],
      cgroupsPath: null,
      ownCgroupNamespace: false,
      shmSize: 65_536,
      devices: [],
      ...over,
    });
  }

  interface Case extends Partial<LaunchOptions> {
    readonly args: string[];
    readonly over?: Partial<SpecOptions>;
  }

  async function createOne({ args, over, ...launch }: Case): Promise<string> {
    const id = `test-${process.pid}-${count++}`;
    const cgroupsPath = runtime.hasCgroups ? cgroupPathOf(id) : null;
    const terminal = launch.terminal ?? false;
    const spec = await specOf(args, { cgroupsPath, terminal, ...over });
    await runtime.create({ id, spec, terminal, stdin: false, stdinOnce: false, logPath: null, ...launch });
    return id;
  }

  async function run(options: Case, input?: (streams: RuntimeStreams) => Promise<void>) {
    const id = await createOne(options);
    await using streams = await runtime.attach(id);
    await runtime.start(id);
    const [output] = await Promise.all([readAll(streams), input?.(streams)]);
    const { exitCode } = await runtime.waitExit(id);
    await runtime.delete(id);
    await assertGone(id);
    return { ...output, exitCode };
  }

  async function assertGone(id: string): Promise<void> {
    assert.equal(existsSync(runtime.bundleOf(id)), false);
    for (const folder of ["state", "bundles", "exits"]) {
      const left = await readdir(join(dir, "run/runtime", folder));
      assert.deepEqual(
        left.filter((name) => name.includes(id)),
        [],
      );
    }
    const { hierarchies } = await inspectCgroups();
    for (const hierarchy of hierarchies) assert.equal(existsSync(join(hierarchy, cgroupPathOf(id))), false);
  }

  test("stdout and stderr come apart, with the exit code", async () => {
    const result = await run({ args: ["sh", "-c", "echo out; echo err >&2; exit 7"] });
    assert.deepEqual(result, { stdout: "out\n", stderr: "err\n", exitCode: 7 });
  });

  test("success, failure and a signal of its own", async () => {
    assert.equal((await run({ args: ["true"] })).exitCode, 0);
    assert.equal((await run({ args: ["false"] })).exitCode, 1);
    assert.equal((await run({ args: ["sh", "-c", "sleep 9 & kill -9 $!; wait $!; exit $?"] })).exitCode, 137);
  });

  test("a command that cannot run says so as Docker does, and leaves nothing", async () => {
    const cases: [string[], number, RegExp][] = [
      [["nope"], 127, /exec: "nope": executable file not found in \$PATH/],
      [["/bin/nope"], 127, /exec: "\/bin\/nope": stat \/bin\/nope: no such file or directory/],
      [["/etc/passwd"], 126, /exec: "\/etc\/passwd": permission denied/],
      [["/etc"], 126, /exec: "\/etc": (is a directory|permission denied)/],
    ];
    for (const [args, exitCode, words] of cases) {
      const id = `test-${process.pid}-${count}`;
      await assert.rejects(createOne({ args }), (error) => {
        assert.ok(isPlyError(error, "invalid"), String(error));
        assert.match(error.message, words);
        assert.equal(error.details["exitCode"], exitCode);
        return true;
      });
      await assertGone(id);
    }
  });

  test("a signal reaches the process; one that has gone is a conflict", async () => {
    const id = await createOne({
      args: ["sh", "-c", "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.01; done"],
    });
    await using streams = await runtime.attach(id);
    await runtime.start(id);
    let text = "";
    for await (const { bytes } of streams.output) {
      text += decoder.decode(bytes);
      if (text === "up\n") await runtime.kill(id, 15);
    }
    assert.equal(text, "up\ngot\n");
    assert.equal((await runtime.waitExit(id)).exitCode, 3);
    await assert.rejects(runtime.kill(id, 15), (error) => isPlyError(error, "conflict"));
    await runtime.delete(id);
    await runtime.delete(id);
    await assertGone(id);
  });

  test("SIGKILL gives 137", async () => {
    const id = await createOne({ args: ["sleep", "100"] });
    await runtime.start(id);
    await runtime.kill(id, 9);
    assert.equal((await runtime.waitExit(id)).exitCode, 137);
    await runtime.delete(id);
    await assertGone(id);
  });

  test("a created or running container is deleted by force", async () => {
    for (const started of [false, true]) {
      const id = await createOne({ args: ["sleep", "100"] });
      if (started) await runtime.start(id);
      await runtime.delete(id);
      await assertGone(id);
    }
  });

  test("3 MB go through cat with a half-close, byte for byte", async () => {
    const block = Buffer.alloc(3 * 1024 * 1024);
    for (let at = 0; at < block.length; at++) block[at] = (at * 31 + (at >> 8)) & 0xff;
    const id = await createOne({ args: ["cat"], stdin: true, stdinOnce: true });
    await using streams = await runtime.attach(id);
    await runtime.start(id);
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const { bytes } of streams.output) chunks.push(bytes);
    })();
    await streams.write(block);
    await streams.end();
    await reading;
    assert.equal(Buffer.compare(Buffer.concat(chunks), block), 0);
    assert.equal((await runtime.waitExit(id)).exitCode, 0);
    await runtime.delete(id);
  });

  test("a slow reader loses nothing", async () => {
    const size = 4 * 1024 * 1024;
    const id = await createOne({ args: ["sh", "-c", `head -c ${size} /dev/zero; echo end >&2`] });
    await using streams = await runtime.attach(id);
    await runtime.start(id);
    let got = 0;
    let last = "";
    for await (const { stream, bytes } of streams.output) {
      if (got === 0) await new Promise((resolve) => setTimeout(resolve, 300));
      if (stream === "stdout") got += bytes.length;
      else last += decoder.decode(bytes);
    }
    assert.deepEqual([got, last], [size, "end\n"]);
    await runtime.delete(id);
  });

  test("a terminal has the size it is given, and one stream", async () => {
    const until = (size: string) =>
      `until [ "$(stty size 2>/dev/null)" = "${size}" ]; do sleep 0.01; done; stty size`;
    const id = await createOne({
      args: ["sh", "-c", `${until("33 111")}; echo err >&2; ${until("20 90")}; read x; echo got $x`],
      terminal: true,
      stdin: true,
    });
    await using streams = await runtime.attach(id);
    await runtime.resize(id, { columns: 111, rows: 33 });
    await runtime.start(id);
    let text = "";
    let resized = false;
    for await (const { stream, bytes } of streams.output) {
      assert.equal(stream, "stdout");
      text += decoder.decode(bytes);
      if (resized || !text.includes("err")) continue;
      resized = true;
      await runtime.resize(id, { columns: 90, rows: 20 });
      await streams.write(Buffer.from("typed\n"));
    }
    assert.match(text, /^(typed\r\n)?33 111\r\nerr\r\n/);
    assert.match(text, /20 90\r\n/);
    assert.match(text, /got typed\r\n$/);
    await runtime.delete(id);
    await assert.rejects(runtime.resize(id, { columns: 1, rows: 1 }), (error) =>
      isPlyError(error, "conflict"),
    );
  });

  test("the output of a very short container is never lost", async () => {
    for (let round = 0; round < 25; round++) {
      const results = await Promise.all(
        [0, 1, 2, 3].map((number) => run({ args: ["echo", `line ${round} ${number}`] })),
      );
      assert.deepEqual(
        results.map(({ stdout }) => stdout),
        [0, 1, 2, 3].map((number) => `line ${round} ${number}\n`),
      );
    }
  });

  test("environment, directory, user, hostname, capabilities, network and seccomp are as asked for", async () => {
    const script =
      "env | sort; pwd; id; hostname; grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; ip -o link | wc -l";
    const { capabilities } = resolveCapabilities({
      add: [],
      drop: ["ALL"],
      privileged: false,
      available: ownCapabilities(),
    });
    const { stdout } = await run({
      args: ["sh", "-c", script],
      over: {
        env: ["PATH=/bin", "A=b c"],
        cwd: "/tmp",
        user: { uid: 1000, gid: 1000, additionalGids: [26] },
        capabilities,
        noNewPrivileges: true,
        network: "none",
      },
    });
    const lines = stdout.trimEnd().split("\n");
    assert.ok(lines.includes("A=b c"), stdout);
    assert.ok(lines.includes("/tmp"));
    assert.ok(lines.includes("uid=1000(ply) gid=1000(ply) groups=26(tape)"), stdout);
    assert.ok(lines.includes("box"));
    assert.ok(lines.includes("CapEff:\t0000000000000000"));
    assert.ok(lines.includes("NoNewPrivs:\t1"));
    assert.ok(lines.includes("Seccomp:\t2"));
    assert.match(stdout, /1\n$/);
  });

  test("a limit above the host's is lowered, and the container starts", async () => {
    const hard = resourceLimits().get("RLIMIT_NOFILE")?.hard ?? 0;
    const { rlimits } = clampRlimits(
      [{ type: "RLIMIT_NOFILE", soft: hard, hard: hard * 2 }],
      resourceLimits(),
      false,
    );
    const { stdout } = await run({ args: ["sh", "-c", "ulimit -Hn"], over: { rlimits } });
    assert.equal(stdout, `${hard}\n`);
  });

  test("containers of an engine that was killed go on; the next one hears of their exit", async () => {
    const script = join(dir, "engine.ts");
    const id = `test-${process.pid}-orphan`;
    const spec = await specOf(
      ["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.01; done; echo done; exit 5"],
      // Without, crun makes one of its own choice, which nobody takes away.
      { cgroupsPath: runtime.hasCgroups ? cgroupPathOf(id) : null },
    );
    await writeFile(join(dir, "spec.json"), JSON.stringify(spec));
    await writeFile(
      script,
      `import { openRuntime } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
       const runtime = await openRuntime({ runRoot: ${JSON.stringify(join(dir, "run"))} });
       const spec = await Bun.file(${JSON.stringify(join(dir, "spec.json"))}).json();
       await runtime.create({ id: ${JSON.stringify(id)}, spec, terminal: false, stdin: false, stdinOnce: false, logPath: null });
       await runtime.start(${JSON.stringify(id)});
       console.log("ready");
       setInterval(() => {}, 1000);`,
    );
    const engine = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => engine.stdout.once("data", resolve));
    const killed = new Promise((resolve) => engine.once("exit", resolve));
    engine.kill("SIGKILL");
    await killed;
    assert.ok((await runtime.list()).includes(id));
    const waiting = runtime.waitExit(id);
    await using streams = await runtime.attach(id);
    await mkdir(join(root, "tmp"), { recursive: true });
    await writeFile(join(root, "tmp/go"), "");
    assert.deepEqual(await readAll(streams), { stdout: "done\n", stderr: "" });
    assert.equal((await waiting).exitCode, 5);
    assert.equal((await runtime.waitExit(id)).exitCode, 5);
    await rm(join(root, "tmp/go"));
    await runtime.delete(id);
    await assertGone(id);
  });

  test("a conmon that dies takes its container along, recorded as killed", async () => {
    const id = await createOne({ args: ["sleep", "100"] });
    await runtime.start(id);
    const pid = Number(await readFile(join(runtime.bundleOf(id), "pid"), "utf8"));
    process.kill(Number(await readFile(join(runtime.bundleOf(id), "conmon.pid"), "utf8")), "SIGKILL");
    assert.equal((await runtime.waitExit(id)).exitCode, 137);
    await runtime.delete(id);
    await assertGone(id);
    assert.equal(existsSync(`/proc/${pid}/root/bin`), false);
  });

  test("sessions that end with their container leave nothing of it", async () => {
    for (let round = 0; round < 2; round++) {
      const id = await createOne({ args: ["sleep", "100"] });
      await runtime.start(id);
      const { process: spec } = await runtime.processOf(id);
      const sessions = await Promise.all(
        Array.from({ length: 8 }, (_, at) => {
          const terminal = at % 4 === 0;
          const streams = { stdin: terminal, stdout: true, stderr: terminal };
          const execId = `${round}${at}`.padStart(64, "e");
          return runtime.exec(id, {
            execId,
            process: { ...spec, terminal, args: ["sleep", "90"] },
            ...streams,
          });
        }),
      );
      await Promise.all(sessions.map((session) => session.running()));
      await runtime.delete(id);
      await Promise.all(sessions.map(({ ended }) => ended));
      await assertGone(id);
      for (const { streams } of sessions) await streams[Symbol.asyncDispose]();
    }
  });

  test("waiting can be given up", async () => {
    const id = await createOne({ args: ["sleep", "100"] });
    const stop = new AbortController();
    const waiting = runtime.waitExit(id, stop.signal);
    stop.abort();
    await assert.rejects(waiting, (error) => isPlyError(error, "cancelled"));
    await runtime.delete(id);
  });

  test("thirty at once", async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, at) => run({ args: ["sh", "-c", `echo ${at}; exit ${at}`] })),
    );
    assert.deepEqual(
      results.map(({ stdout, exitCode }) => [stdout, exitCode]),
      results.map((_, at) => [`${at}\n`, at]),
    );
  });
});
