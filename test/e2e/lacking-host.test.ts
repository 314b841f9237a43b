import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { hasQuickMoves } from "../../src/runtime/index.ts";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { must, type Ran, run, until } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const skip = unless("root");

/** In a mount namespace of its own where `script` has taken something away. */
const without = (script: string): string[] => [
  ...["unshare", "--mount", "--propagation", "private", "sh", "-c"],
  `set -e; ${script}; exec "$@"`,
  "sh",
];
const HIDDEN = (path: string) => `mount --bind /dev/null ${path}`;

interface Check {
  readonly name: string;
  readonly state: string;
  readonly found: string;
  readonly cost?: string;
  readonly cure?: string;
}
const doctor = async (
  engine: TestEngine,
): Promise<{ ok: boolean; check: (name: string) => Check | undefined }> => {
  const { stdout } = await engine.ply(["doctor", "--format", "json"]);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
  return { ok, check: (name) => checks.find((each) => each.name === name) };
};
const hello = (engine: TestEngine, ...flags: string[]): Promise<Ran> =>
  engine.ply(["run", "--rm", "--network", "none", ...flags, "bb:1", "echo", "hello"]);

describe("hosts that lack something", { skip }, () => {
  test("a controller: its limits are discarded with a warning, the others hold", async () => {
    await using engine = await startEngine({ within: without("umount /sys/fs/cgroup/memory") });
    await importBusybox(engine);
    const ran = await hello(engine, "-m", "64m", "--pids-limit", "50");
    assert.equal(ran.stdout, "hello\n", ran.stderr);
    assert.equal(ran.code, 0);
    assert.match(
      ran.stderr,
      /WARNING: Your kernel does not support memory limit capabilities or the cgroup is not mounted/,
    );
    assert.doesNotMatch(ran.stderr, /PIDs/);
    assert.match(engine.log(), /warning: no cgroup controller memory/);
    const { ok, check } = await doctor(engine);
    const memory = check("memory");
    assert.deepEqual([ok, memory?.state, memory?.found], [true, "limited", "not mounted"]);
    assert.match(memory?.cure ?? "", /mount -t cgroup -o memory cgroup \/sys\/fs\/cgroup\/memory$/);
    const { text } = await engine.request("GET", "/info");
    const info = JSON.parse(text) as { MemoryLimit: boolean; PidsLimit: boolean };
    assert.deepEqual([info.MemoryLimit, info.PidsLimit], [false, true]);
  });

  test("no cgroups at all: containers run, without limits, and that is said", async () => {
    await using engine = await startEngine({ within: without("umount -R -l /sys/fs/cgroup") });
    await importBusybox(engine);
    const ran = await hello(engine, "-m", "64m", "--cpus", "1");
    assert.deepEqual([ran.stdout, ran.code], ["hello\n", 0], ran.stderr);
    assert.match(ran.stderr, /memory limit capabilities/);
    assert.match(ran.stderr, /CPU CFS scheduler/);
    assert.match(engine.log(), /no cgroups are mounted/);
    const id = (await engine.must(["run", "-d", "--network", "none", "bb:1", "sleep", "100"])).stdout.trim();
    // Nothing but the lack of the right keeps it from the host's disks now.
    const node = await engine.ply(["exec", id, "busybox", "mknod", "/disk", "b", "1", "0"]);
    assert.match(node.stderr, /Operation not permitted/);
    assert.match(engine.log(), /containers run without CAP_MKNOD/);
    const paused = await engine.ply(["pause", id]);
    assert.match(paused.stderr, /no cgroup freezer/);
    assert.equal((await engine.ply(["exec", id, "true"])).code, 0);
    const { ok, check } = await doctor(engine);
    assert.deepEqual([ok, check("layout")?.state], [true, "limited"]);
  });

  test("cgroup v2 alone, without the right to load device rules: containers run, and get no devices", async () => {
    const unified = "umount -R -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup";
    const bounded = [
      "prlimit",
      "--memlock=8388608:8388608",
      "setpriv",
      "--bounding-set=-sys_resource",
      "--inh-caps=-sys_resource",
      "--",
    ];
    await using engine = await startEngine({ within: [...without(unified), ...bounded] });
    const node = { name: "dev0", type: "4", mode: 0o666, major: 1, minor: 0 };
    await engine.must(["import", "-", "node:1"], { stdin: tarball([...busyboxMembers(), node]) });
    const ran = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "node:1",
      "sh",
      "-c",
      "busybox cat /dev0; busybox mknod x b 1 0; echo hello",
    ]);
    assert.equal(ran.stdout, "hello\n", ran.stderr);
    assert.match(ran.stderr, /'\/dev0': Permission denied/);
    assert.match(ran.stderr, /mknod: x: Operation not permitted/);
    assert.match(engine.log(), /device nodes of images do not open/);
    const asked = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "--cap-add",
      "MKNOD",
      "node:1",
      "true",
    ]);
    assert.match(asked.stderr, /this host cannot give CAP_MKNOD/);
    const { ok, check } = await doctor(engine);
    assert.deepEqual([ok, check("devices")?.state, check("layout")?.found], [true, "limited", "v2"]);
  });

  test("low hard limits: what is above them is lowered with a warning", async () => {
    await using engine = await startEngine({ within: ["prlimit", "--nofile=512:1024", "--"] });
    await importBusybox(engine);
    const ran = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "--ulimit",
      "nofile=4096:4096",
      "bb:1",
      "sh",
      "-c",
      "ulimit -Hn",
    ]);
    assert.deepEqual([ran.stdout, ran.code], ["1024\n", 0]);
    assert.match(ran.stderr, /RLIMIT_NOFILE is lowered from 4096 to 1024/);
    assert.equal((await doctor(engine)).check("open files")?.found, "at most 1024");
  });

  test("no crun: runc runs containers, and is said to be slower", async () => {
    await using engine = await startEngine({ within: without(HIDDEN("/usr/bin/crun")) });
    await importBusybox(engine);
    assert.deepEqual((await hello(engine)).stdout, "hello\n");
    assert.equal(
      (await engine.ply(["run", "--rm", "--network", "none", "bb:1", "sh", "-c", "exit 7"])).code,
      7,
    );
    assert.match(engine.log(), /crun was not found: runc is used/);
    assert.match(engine.log(), /runc 1\./);
    const { ok, check } = await doctor(engine);
    assert.deepEqual(
      [ok, check("OCI runtime")?.state, check("OCI runtime")?.cure],
      [true, "limited", "apt-get install crun"],
    );
  });

  test("no seccomp profile: containers run unconfined, with a warning", async () => {
    await using engine = await startEngine({ within: without("mount -t tmpfs none /usr/share/containers") });
    await importBusybox(engine);
    const ran = await hello(engine);
    assert.deepEqual([ran.stdout, ran.code], ["hello\n", 0], ran.stderr);
    assert.match(ran.stderr, /no seccomp profile was found on this host: the container runs unconfined/);
    const seccomp = (await doctor(engine)).check("seccomp");
    assert.deepEqual([seccomp?.state, seccomp?.cure?.startsWith("apt-get install")], ["limited", true]);
  });

  /** Of an engine that cannot start: what `ply serve` and `ply doctor` say. */
  const refusal = async (within: readonly string[]): Promise<{ serve: Ran; report: Ran }> => {
    const home = mkdtempSync(join(tmpdir(), "ply-e2e-"));
    const roots = ["--root", join(home, "root"), "--run-root", join(home, "run")];
    const env = { HOME: home, XDG_RUNTIME_DIR: home, PLY_HOST: `unix://${home}/ply.sock` };
    const ply = (...args: string[]): Promise<Ran> => {
      const [program = "", ...words] = [...within, PLY_BINARY, ...args];
      return run(program, words, { env });
    };
    try {
      return { serve: await ply("serve", ...roots), report: await ply("doctor", ...roots) };
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  };

  test("no conmon: the engine says so and what to do; the doctor too, without an engine", async () => {
    const { serve, report } = await refusal(without(HIDDEN("/usr/bin/conmon")));
    assert.equal(serve.code, 1);
    assert.match(serve.stderr, /conmon was not found in \$PATH\nHint: apt-get install conmon/);
    assert.equal(report.code, 1);
    assert.match(report.stdout, /^programs +conmon +BROKEN +not found$/m);
    assert.match(report.stdout, /cure: {2}apt-get install conmon/);
    assert.match(report.stdout, /Containers do not run here\.\n$/);
  });

  test("no right to mount: the engine says who may, never a bare errno", async () => {
    const { serve, report } = await refusal([
      "setpriv",
      "--bounding-set=-sys_admin",
      "--inh-caps=-sys_admin",
      "--",
    ]);
    assert.equal(serve.code, 1);
    assert.match(serve.stderr, /no right to mount.*run as root/);
    assert.doesNotMatch(serve.stderr, /invalid argument/i);
    assert.equal(report.code, 1);
    assert.match(report.stdout, /^rights +mounting +BROKEN/m);
    assert.match(report.stdout, /the engine needs CAP_SYS_ADMIN/);
  });

  test("a state directory on an overlay: everything is kept in a filesystem of its own, also by the next engine", async () => {
    const scratch = mkdtempSync(join(tmpdir(), "ply-overlay-"));
    for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(scratch, name));
    const options = ["lowerdir", "upperdir", "workdir"].map(
      (key) => `${key}=${join(scratch, key.slice(0, -3))}`,
    );
    await must("mount", ["-t", "overlay", "overlay", "-o", options.join(), join(scratch, "merged")]);
    try {
      await using engine = await startEngine({ parent: join(scratch, "merged") });
      await importBusybox(engine);
      const id = (
        await engine.must([
          "run",
          "-d",
          "--network",
          "none",
          "bb:1",
          "sh",
          "-c",
          "echo kept >/file; busybox sleep 1000",
        ])
      ).stdout.trim();
      assert.match(engine.log(), /holds no writable layers: everything is kept in a filesystem of its own/);
      await engine.restart("SIGKILL");
      assert.equal((await engine.must(["exec", id, "busybox", "cat", "/file"])).stdout, "kept\n");
      await engine.must(["rm", "-f", id]);
      await engine.restart();
      assert.deepEqual([(await hello(engine)).stdout, (await doctor(engine)).ok], ["hello\n", true]);
    } finally {
      await must("umount", [join(scratch, "merged")]);
      rmSync(scratch, { recursive: true, force: true });
    }
  });

  test("favordynmods of the host's cgroups: left alone where it is not wanted, else set, said and found by the doctor", async () => {
    const config = mkdtempSync(join(tmpdir(), "ply-config-"));
    writeFileSync(join(config, "engine.json"), '{ "cgroupFavordynmods": false }');
    const said = /set the option favordynmods of \S+, for the whole host until it reboots/;
    try {
      for (const args of [["--cgroup-favordynmods=false"], ["--config", config]]) {
        await using engine = await startEngine({ args });
        await importBusybox(engine);
        assert.equal((await hello(engine)).stdout, "hello\n");
        assert.doesNotMatch(engine.log(), said);
      }
    } finally {
      rmSync(config, { recursive: true, force: true });
    }
    // It cannot be taken back: the first engine of this host's test run says it, later ones find it so.
    const wasOn = hasQuickMoves();
    await using engine = await startEngine();
    await until("it has said so", () => said.test(engine.log()) || wasOn);
    const check = (await doctor(engine)).check("favordynmods");
    assert.deepEqual([check?.state, check?.found.startsWith("on, for the whole host")], ["works", true]);
  });

  test("here nothing is broken", async () => {
    await using engine = await startEngine();
    const report = await engine.ply(["doctor"]);
    assert.equal(report.code, 0, report.stdout + report.stderr);
    assert.match(report.stdout, /^container +trial run +ok +crun /m);
    assert.match(report.stdout, /\nContainers run here[;,].*\.\n$/);
  });
});
