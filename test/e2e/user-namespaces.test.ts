import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { run, until } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const skip = unless("root");
/** Somebody with subordinate ids of this host, who need not be a user of it. */
const OWNER = `ply-e2e-${process.pid}`;
const START = 700_000;
const FILES = ["/etc/subuid", "/etc/subgid"];

const edit = (path: string, change: (lines: string[]) => string[]): void => {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  writeFileSync(
    path,
    change(lines)
      .map((line) => `${line}\n`)
      .join(""),
  );
};

describe("user namespaces", { skip }, () => {
  let engine: TestEngine;
  let scratch: string;
  let added: string[];

  before(async () => {
    const hasPool = FILES.every((path) => /^containers:/m.test(readFileSync(path, "utf8")));
    added = [`${OWNER}:${START}:65536`, ...(hasPool ? [] : ["containers:1000000:262144"])];
    for (const path of FILES) edit(path, (lines) => [...lines, ...added]);
    engine = await startEngine();
    chmodSync(dirname(engine.root), 0o711);
    scratch = mkdtempSync(join(tmpdir(), "ply-userns-"));
    const own = { name: "srv/data/own", data: "image", uid: 33, gid: 34 };
    const directory = { name: "srv/data", type: "5", uid: 33, gid: 34 };
    await engine.must(["import", "-", "bb:1"], { stdin: tarball([...busyboxMembers(), directory, own]) });
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    for (const path of FILES) edit(path, (lines) => lines.filter((line) => !added.includes(line)));
    rmSync(scratch, { recursive: true, force: true });
  });

  const text = async (...args: string[]): Promise<string> => (await engine.must(args)).stdout.trim();
  const sh = (script: string) => ["bb:1", "sh", "-c", script];
  const ownersOf = async (container: string, path: string): Promise<string> =>
    (await text("exec", container, "busybox", "stat", "-c", "%u:%g", path)).trim();

  test("owners are right inside, on disk, and in whatever leaves the container", async () => {
    const null_ = statSync("/dev/null");
    const id = await text(
      ...[
        "run",
        "-d",
        "--userns",
        `remap:${OWNER}`,
        "--network",
        "none",
        "-v",
        "vol:/srv/data",
        "-w",
        "/made/here",
      ],
      ...sh(
        "busybox touch /new && busybox chown 5:6 /new && busybox touch /srv/data/more /dev/shm/x && busybox sleep 1000",
      ),
    );
    await until(
      "it has made its files",
      async () => (await engine.ply(["exec", id, "busybox", "test", "-e", "/dev/shm/x"])).code === 0,
    );
    assert.match(await text("exec", id, "busybox", "cat", "/proc/self/uid_map"), /^0 +700000 +65536$/);
    assert.equal(await text("exec", "-u", "7:8", id, "busybox", "id", "-u"), "7");
    for (const [path, owners] of [
      ["/", "0:0"],
      ["/bin/busybox", "0:0"],
      ["/srv/data/own", "33:34"],
      ["/etc/hosts", "0:0"],
      ["/made/here", "0:0"],
    ] as const)
      assert.equal(await ownersOf(id, path), owners, path);
    const { uid } = statSync(`/proc/${await text("inspect", "-f", "{{.State.Pid}}", id)}`);
    assert.equal(uid, START);
    // The volume is the same to containers of the host's users.
    const seen = await text(
      "run",
      "--rm",
      "--network",
      "none",
      "-v",
      "vol:/v",
      ...sh("busybox stat -c %n:%u:%g /v /v/own /v/more"),
    );
    assert.deepEqual(seen.split("\n"), ["/v:33:34", "/v/own:33:34", "/v/more:0:0"]);
    const file = join(scratch, "in");
    writeFileSync(file, "in");
    await engine.must(["cp", file, `${id}:/in`]);
    assert.equal(await ownersOf(id, "/in"), "0:0");
    const listed = async (path: string) => {
      const { bytes } = await engine.must(["cp", `${id}:${path}`, "-"]);
      return (await run("tar", ["--numeric-owner", "-tvf", "-"], { stdin: bytes })).stdout;
    };
    assert.match(await listed("/new"), /^-rw\S+ 5\/6 /);
    assert.match(await listed("/srv/data/own"), /^-rw\S+ 33\/34 /);
    assert.deepEqual((await text("diff", id)).split("\n"), ["A /in", "A /made", "A /made/here", "A /new"]);
    // An engine that is killed leaves it be, and the next one goes on with it.
    await engine.restart("SIGKILL");
    assert.equal(await ownersOf(id, "/new"), "5:6");
    await engine.must(["kill", id]);
    assert.match(await listed("/new"), /^-rw\S+ 5\/6 /);
    assert.equal(lstatSync(join(engine.root, "containers", id, "upper/new")).uid, 5);
    await text("commit", id, "im:2");
    assert.equal(
      await text("run", "--rm", "--network", "none", "im:2", "busybox", "stat", "-c", "%u:%g", "/new"),
      "5:6",
    );
    await engine.must(["start", id]);
    assert.equal(await ownersOf(id, "/new"), "5:6");
    assert.deepEqual([statSync("/dev/null").uid, statSync("/dev/null").gid], [null_.uid, null_.gid]);
  });

  test("auto: each container has users of its own", async () => {
    const start = async (...flags: string[]) => {
      const id = await text(
        "run",
        "-d",
        "--userns",
        "auto",
        "--network",
        "none",
        ...flags,
        "bb:1",
        "busybox",
        "sleep",
        "1000",
      );
      return (await text("exec", id, "busybox", "cat", "/proc/self/uid_map")).trim().split(/ +/).map(Number);
    };
    const [first, second] = [await start(), await start()];
    assert.deepEqual([first?.[0], first?.[2], second?.[2]], [0, 65_536, 65_536]);
    assert.ok(Math.abs((first?.[1] ?? 0) - (second?.[1] ?? 0)) >= 65_536);
  });

  test("memory, processes and users of another container", async () => {
    const flags = ["--userns", `remap:${OWNER}`, "--network", "none"];
    await text(
      "run",
      "-d",
      "--name",
      "donor",
      ...flags,
      "--ipc",
      "shareable",
      ...sh("echo told >/dev/shm/note; busybox sleep 1000"),
    );
    await until(
      "its note is there",
      async () => (await engine.ply(["exec", "donor", "busybox", "test", "-s", "/dev/shm/note"])).code === 0,
    );
    const joined = ["--network", "none", "--ipc", "container:donor", "--pid", "container:donor"];
    const output = await text(
      "run",
      "--rm",
      ...joined,
      ...sh("busybox cat /dev/shm/note /proc/self/uid_map; busybox ps"),
    );
    assert.match(output, /^told\n +0 +700000 /);
    assert.match(output, /sleep 1000/);
    await text("run", "-d", "--name", "alone", "--network", "none", "bb:1", "busybox", "sleep", "1000");
    const refused = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "--ipc",
      "container:alone",
      "bb:1",
      "true",
    ]);
    assert.match(refused.stderr, /can't join IPC of container \w+: non-shareable IPC/);
    await engine.must(["kill", "donor"]);
    const gone = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "--pid",
      "container:donor",
      "bb:1",
      "true",
    ]);
    assert.match(gone.stderr, /can't join PID namespace of container \w+: container \w+ is not running/);
    const none = await engine.ply([
      "run",
      "--rm",
      "--network",
      "none",
      "--pid",
      "container:nobody",
      "bb:1",
      "true",
    ]);
    assert.match(none.stderr, /No such container: nobody/);
    const without = await text("run", "--rm", "--network", "none", "--ipc", "none", ...sh("busybox ls /dev"));
    assert.doesNotMatch(without, /shm/);
    const shared = await text(
      "run",
      "--rm",
      "--network",
      "none",
      "--cgroupns",
      "private",
      ...sh("busybox cat /proc/self/cgroup"),
    );
    assert.doesNotMatch(shared, /\/ply\//);
  });

  test("userns-remap of the engine, through Docker's client", async () => {
    await engine.kill("SIGTERM");
    await using remapped = await startEngine({ args: ["--userns-remap", OWNER] });
    chmodSync(dirname(remapped.root), 0o711);
    await remapped.must(["import", "-", "bb:1"], { stdin: tarball(busyboxMembers()) });
    const docker = async (...flags: string[]) =>
      remapped.docker(["run", "--rm", ...flags, "bb:1", "busybox", "cat", "/proc/self/uid_map"]);
    assert.match((await docker("--network", "none")).stdout, /^ +0 +700000 +65536\n$/);
    assert.match((await docker()).stdout, /^ +0 +700000 +65536\n$/);
    assert.match((await docker("--network", "host", "--userns", "host")).stdout, /^ +0 +0 /);
    for (const [flags, words] of [
      [
        ["--privileged"],
        /privileged mode is incompatible with user namespaces\. {2}You must run the container/,
      ],
      [["--network", "host"], /cannot share the host's network namespace when user namespaces are enabled/],
      [
        ["--network", "none", "--pid", "host"],
        /cannot share the host PID namespace when user namespaces are enabled/,
      ],
    ] as const)
      assert.match((await docker(...flags)).stderr, words);
    const home = mkdtempSync(join(scratch, "bad-"));
    const bad = await run(PLY_BINARY, [
      "serve",
      "--root",
      join(home, "root"),
      "--run-root",
      join(home, "run"),
      "--userns-remap",
      "no-such-user",
    ]);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /no subuid ranges found for user "no-such-user" in \/etc\/subuid/);
    await engine.start();
  });
});
