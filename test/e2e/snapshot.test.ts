import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { PlySnapshot } from "../../src/wire/index.ts";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { must, run } from "../support/process.ts";

const skip = unless("root");

describe("snapshots of containers", { skip }, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await startEngine();
    await importBusybox(engine);
  });
  after(() => engine[Symbol.asyncDispose]());

  const text = async (...args: string[]): Promise<string> => (await engine.must(args)).stdout.trim();
  /** A container that has ended, having run the script. */
  const ran = async (name: string, script: string, ...more: string[]): Promise<void> => {
    await text("run", "--name", name, "--network", "none", ...more, "bb:1", "sh", "-ec", script);
  };
  /** The script, as a container sees the volumes of another. */
  const inVolumes = (of: string, script: string): Promise<string> =>
    text("run", "--rm", "--network", "none", "--volumes-from", of, "bb:1", "sh", "-ec", script);
  const idOf = (name: string): Promise<string> => text("inspect", "-f", "{{.Id}}", name);
  const containerHome = async (name: string): Promise<string> =>
    join(engine.root, "containers", await idOf(name));
  const strataIn = (home: string): string[] => readdirSync(home).filter((name) => name.startsWith("layer-"));
  const tarOf = async (...args: string[]): Promise<string[]> => {
    const { bytes } = await engine.must(args);
    const { stdout } = await run("tar", ["-tf", "-"], { stdin: bytes });
    return stdout.split("\n").filter((line) => line !== "");
  };

  test("there and back: files, deletions and volumes, as often as one likes; nothing is left when the last one goes", async () => {
    await ran(
      "db",
      "echo seed > /data/rows; echo seed > /anon/a; echo one > /etc/own; rm /bin/wc; mkdir -p /srv/deep; echo d > /srv/deep/f",
      ...["-v", "rows:/data", "-v", "/anon"],
    );
    const changesBefore = await text("diff", "db");
    assert.equal(await text("snapshot", "create", "db", "seeded"), "seeded");
    assert.equal(await text("diff", "db"), changesBefore);
    for (let round = 1; round <= 2; round++) {
      // The container goes on from where it was, over what is kept.
      assert.equal(await inVolumes("db", "cat /data/rows"), "seed");
      await inVolumes("db", "echo spoiled > /data/rows; echo more > /data/more; rm /anon/a");
      await must("tar", ["-C", "/etc", "-cf", "/dev/null", "hostname"]);
      await engine.must(["cp", "-", "db:/srv/deep"], {
        stdin: (await run("tar", ["-C", "/etc", "-c", "hostname"])).bytes,
      });
      assert.match(await text("diff", "db"), /A \/srv\/deep\/hostname/);
      assert.equal(await text("restore", "db"), "seeded");
      assert.equal(await text("diff", "db"), changesBefore);
      assert.equal(await inVolumes("db", "cat /data/rows /anon/a; ls /data"), "seed\nseed\nrows");
    }
    const listed = JSON.parse(await text("snapshot", "inspect", "db", "seeded")) as PlySnapshot[];
    assert.deepEqual(
      listed.map(({ name, container, volumes }) => [name, container.name, volumes.length]),
      [["seeded", "db", 2]],
    );
    assert.match(
      await text("snapshot", "ls"),
      /^db +seeded +.* ago +\d+B +(stacked|shared) +rows,[0-9a-f]{64}$/m,
    );

    // A second one, whose parent goes.
    await inVolumes("db", "echo second > /data/rows");
    await text("snapshot", "create", "db");
    assert.equal(await text("snapshot", "ls", "-q", "db"), "seeded\nsnapshot-2");
    assert.equal(await text("snapshot", "rm", "db", "seeded"), "seeded");
    await inVolumes("db", "echo third > /data/rows");
    await text("restore", "db", "snapshot-2");
    assert.equal(await inVolumes("db", "cat /data/rows"), "second");
    await text("snapshot", "rm", "db", "snapshot-2");
    assert.deepEqual(strataIn(await containerHome("db")), []);
    assert.deepEqual(strataIn(join(engine.root, "volumes/rows")), []);
    assert.equal(await inVolumes("db", "cat /data/rows"), "second");
    assert.equal(await text("diff", "db"), changesBefore);
    await text("rm", "-v", "db");
    assert.deepEqual(await text("volume", "ls", "-q"), "rows");
  });

  test("a container over what is kept is diffed, committed, exported and copied from as one", async () => {
    await ran("many", "echo 1 > /one; mkdir /dir; echo a > /dir/a; echo b > /dir/b");
    await text("snapshot", "create", "many", "first");
    const box = await text("commit", "many", "many:1");
    await text("start", "many");
    await text("wait", "many");
    await engine.must(["cp", "/etc/hostname", "many:/two"]);
    await ran("other", "mkdir /dir; echo c > /dir/c");
    // The second stratum, made by a container of the same image that starts from the first one's files.
    await text("snapshot", "create", "many", "second");
    const { bytes } = await engine.must(["cp", "other:/dir", "-"]);
    await engine.must(["cp", "-", "many:/"], { stdin: bytes });
    assert.deepEqual((await text("diff", "many")).split("\n").sort(), [
      "A /dir",
      "A /dir/a",
      "A /dir/b",
      "A /dir/c",
      "A /one",
      "A /two",
    ]);
    const members = await tarOf("export", "many");
    for (const path of ["one", "two", "dir/a", "dir/c"]) assert.ok(members.includes(path), path);
    assert.equal(
      await text("ps", "-a", "-s", "--filter", "name=many", "--format", "{{.Size}}").then((size) =>
        /^\d+B/.test(size),
      ),
      true,
    );
    const committed = await text("commit", "many", "many:2");
    assert.notEqual(committed, box);
    assert.equal(
      await text("run", "--rm", "--network", "none", "many:2", "sh", "-c", "cat /dir/* /one; ls /two"),
      "a\nb\nc\n1\n/two",
    );
    assert.match(await text("system", "df"), /^Snapshots +2 +0 +\d+B +\d+B/m);
    await text("rm", "many", "other");
  });

  test("one that runs is frozen for it; going back takes a stop, or --force", async () => {
    const script = "echo 1 > /data/n; echo 1 > /own; touch /data/ready; while :; do sleep 0.1; done";
    await text(
      ...["run", "-d", "--name", "live", "--network", "none", "-v", "/data", "bb:1", "sh", "-ec", script],
    );
    const inside = (what: string) => text("exec", "live", "sh", "-ec", what);
    await inside("until [ -e /data/ready ]; do sleep 0.02; done");
    const made = await engine.must(["snapshot", "create", "live", "early"]);
    assert.match(made.stderr, /WARNING: the files were copied|^$/);
    assert.equal(await text("inspect", "-f", "{{.State.Status}}", "live"), "running");
    await inside("echo 2 > /data/n; rm /own; echo new > /new");
    const refused = await engine.ply(["restore", "live", "early"]);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /cannot restore container live: container is running: stop the container before/,
    );
    await text("restore", "-f", "live", "early");
    assert.equal(await text("inspect", "-f", "{{.State.Status}}", "live"), "running");
    await inside("until [ -e /data/ready ]; do sleep 0.02; done");
    assert.equal(await inside("cat /own; ls /new 2>/dev/null || echo gone"), "1\ngone");
    // Nothing of what the engine itself puts into a root is in what was kept.
    assert.deepEqual((await text("diff", "live")).split("\n"), ["A /own"]);
    await text("rm", "-f", "-v", "live");
  });

  test("what stands in the way is said", async () => {
    await ran("one", "echo 1 > /data/x", "-v", "shared:/data");
    await text(
      ...["run", "-d", "--name", "two", "--network", "none", "-v", "shared:/data", "bb:1", "sleep", "1000"],
    );
    const said = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await engine.ply(args);
      assert.equal(code, 1, args.join(" "));
      return stderr;
    };
    assert.match(
      await said("snapshot", "create", "one"),
      /volume shared is in use by a running container - \[[0-9a-f]{64}\]/,
    );
    assert.equal(await text("snapshot", "ls", "one", "-q"), "");
    assert.match(await said("snapshot", "create", "one", "../x"), /Invalid snapshot name/);
    assert.match(await said("snapshot", "create", "nobody"), /No such container: nobody/);
    assert.match(await said("restore", "one"), /container one has no snapshots/);
    assert.match(await said("restore", "one", "never"), /No such snapshot: never/);
    await text("rm", "-f", "two");
    await text("snapshot", "create", "one", "a");
    assert.match(
      await said("snapshot", "create", "one", "a"),
      /The snapshot name "a" is already in use by container one/,
    );
    // The volume outlives the container, and is a plain directory again.
    await text("rm", "one");
    assert.equal(await text("snapshot", "ls", "-q"), "");
    assert.deepEqual(strataIn(join(engine.root, "volumes/shared")), []);
    assert.equal(
      await text("run", "--rm", "--network", "none", "-v", "shared:/d", "bb:1", "cat", "/d/x"),
      "1",
    );
    await text("volume", "rm", "shared");
    assert.equal(existsSync(join(engine.root, "volumes/shared")), false);
  });

  test("an engine killed at any moment of it leaves what was, or what was to be", {
    timeout: 120_000,
  }, async () => {
    await ran("kk", "echo 0 > /data/n; echo 0 > /n", "-v", "kill:/data");
    const fill = async (value: string): Promise<void> => {
      await inVolumes("kk", `echo ${value} > /data/n`);
      const tar = (await run("sh", ["-c", `cd $(mktemp -d) && echo ${value} > n && tar -c n && rm -r $PWD`]))
        .bytes;
      await engine.must(["cp", "-", "kk:/"], { stdin: tar });
    };
    const state = async (): Promise<string> => {
      const own = (
        await run("tar", ["-xOf", "-"], { stdin: (await engine.must(["cp", "kk:/n", "-"])).bytes })
      ).stdout;
      return `${own.trim()}${await inVolumes("kk", "cat /data/n")}`;
    };
    await fill("1");
    await text("snapshot", "create", "kk", "base");
    for (let round = 0; round < 6; round++) {
      await fill("2");
      const path = "/ply/containers/kk";
      const asked = (
        round % 2 === 0
          ? engine.request("POST", `${path}/restore?snapshot=base`)
          : engine.request("POST", `${path}/snapshots`, { name: "other" })
      ).catch(() => undefined);
      // A different moment each time: so many turns of the event loop later.
      for (let turn = 0; turn < round * 3; turn++) await new Promise((resolve) => setImmediate(resolve));
      await engine.kill("SIGKILL");
      await asked;
      await engine.start();
      const now = await state();
      assert.ok(round % 2 === 0 ? ["11", "22"].includes(now) : now === "22", `round ${round}: ${now}`);
      await text("restore", "kk", "base");
      assert.equal(await state(), "11");
      await engine.ply(["snapshot", "rm", "kk", "other"]);
    }
    assert.equal(await text("snapshot", "ls", "-q"), "base");
    await text("snapshot", "rm", "kk", "base");
    assert.deepEqual(strataIn(await containerHome("kk")), []);
    assert.deepEqual(strataIn(join(engine.root, "volumes/kill")), []);
    assert.match(await text("system", "check"), /The store is sound/);
    await text("rm", "-v", "kk");
    await text("volume", "rm", "kill");
  });
});

test("where the filesystem shares blocks nothing is stacked, running or not", { skip }, async () => {
  const scratch = mkdtempSync(join(tmpdir(), "ply-btrfs-"));
  const [image, at] = [join(scratch, "image"), join(scratch, "at")];
  mkdirSync(at);
  await must("truncate", ["-s", "400M", image]);
  await must("mkfs.btrfs", ["-q", image]);
  await must("mount", ["-o", "loop", image, at]);
  try {
    await using engine = await startEngine({ parent: at });
    const text = async (...args: string[]): Promise<string> => (await engine.must(args)).stdout.trim();
    await importBusybox(engine);
    const script =
      "dd if=/dev/urandom of=/data/big bs=1M count=64 2>/dev/null; echo 1 > /own; touch /data/ready; sleep 1000";
    await text(
      ...["run", "-d", "--name", "cc", "--network", "none", "-v", "v:/data", "bb:1", "sh", "-c", script],
    );
    await text("exec", "cc", "sh", "-c", "until [ -e /data/ready ]; do sleep 0.02; done");
    const { stderr } = await engine.must(["snapshot", "create", "cc", "s1"]);
    assert.equal(stderr, "");
    await text("exec", "cc", "sh", "-c", "rm /data/big; echo 2 > /own; touch /data/x");
    await text("restore", "-f", "cc", "s1");
    assert.equal(await text("exec", "cc", "sh", "-c", "ls /data; cat /own"), "big\nready\n1");
    assert.match(await text("snapshot", "ls"), /shared/);
    assert.deepEqual(
      readdirSync(join(engine.root, "volumes/v")).filter((name) => name === "work"),
      [],
    );
  } finally {
    await must("umount", [at]);
    rmSync(scratch, { recursive: true, force: true });
  }
});
