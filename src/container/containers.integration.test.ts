import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { parseMountinfo } from "../linux/index.ts";
import { parseReference } from "../oci/index.ts";
import { inspectCgroups } from "../runtime/index.ts";
import { makeBusyboxRoot } from "../runtime/testing/index.ts";
import { createOptions, importRoot, openRoom, type Room, runOnce } from "./testing/room.ts";

const reason =
  process.versions["bun"] === undefined
    ? "containers need Bun"
    : process.getuid?.() !== 0
      ? "containers need root"
      : !existsSync("/usr/bin/conmon") || !existsSync("/bin/busybox")
        ? "conmon or busybox-static is not installed"
        : undefined;

const none = { networkMode: "none" };
const kind = (wanted: Parameters<typeof isPlyError>[1]) => (error: unknown) => isPlyError(error, wanted);

describe("containers", { skip: reason, timeout: 60_000 }, () => {
  let dir = "";
  let room: Room;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "ply-container-"));
    const rootfs = join(dir, "box");
    await makeBusyboxRoot(rootfs);
    await writeFile(join(rootfs, "etc/motd"), "welcome\n");
    room = await openRoom(dir);
    await importRoot(room, rootfs, ["ENV GREETING=hello", "LABEL team=ply"]);
  });
  after(async () => {
    for (const { id } of room.containers.list())
      await room.containers.remove(id, { force: true, volumes: true });
    await assertNothingLeft();
    assert.deepEqual(room.troubles, []);
    await room[Symbol.asyncDispose]();
    assert.deepEqual(mountsBelow(dir), []);
    await rm(dir, { recursive: true, force: true });
  });

  const mountsBelow = (path: string) =>
    parseMountinfo()
      .map(({ target }) => target)
      .filter((target) => target.startsWith(`${path}/`));

  /** No process state, no cgroup, no directory, no container mount, no lease. */
  async function assertNothingLeft(): Promise<void> {
    assert.deepEqual(room.containers.list(), []);
    assert.deepEqual(await readdir(join(dir, "root/containers")), []);
    for (const folder of ["bundles", "exits", "state"]) {
      const left = await readdir(join(dir, "run/runtime", folder));
      assert.deepEqual(
        left.filter((name) => /^[0-9a-f]{64}$/.test(name)),
        [],
      );
    }
    assert.deepEqual(
      mountsBelow(dir).filter((target) => target.endsWith("/rootfs")),
      [],
    );
    assert.deepEqual(room.store.leases.ownersOf(room.images.resolve("box:1").id), []);
  }

  test("run --rm: output, exit code, and nothing left", async () => {
    const ran = await runOnce(
      room,
      createOptions(["sh", "-c", "echo out; echo err >&2; exit 7"], { host: { autoRemove: true } }),
    );
    assert.deepEqual([ran.stdout, ran.stderr, ran.exitCode], ["out\n", "err\n", 7]);
    await assertNothingLeft();
    const { hierarchies } = await inspectCgroups();
    for (const hierarchy of hierarchies) assert.equal(existsSync(join(hierarchy, "ply", ran.id)), false);
  });

  test("a container's whole life, with its events", async () => {
    const before = room.seen.length;
    const { containers } = room;
    const { id } = await containers.create(createOptions(["sleep", "100"], { name: "walker" }));
    assert.equal(containers.get("walker").status, "created");
    assert.equal(containers.get(`/walker`).id, id);
    assert.equal(containers.get(id.slice(0, 12)).id, id);
    assert.equal(await containers.start("walker"), true);
    assert.equal(await containers.start("walker"), false);
    const running = containers.get(id);
    assert.equal(running.status, "running");
    assert.ok(existsSync(`/proc/${running.pid}`));
    assert.ok((running.phases["create"] ?? 0) > 0);
    await assert.rejects(containers.remove(id, { force: false, volumes: false }), (error) => {
      assert.ok(isPlyError(error, "conflict"));
      assert.equal(
        error.message,
        'cannot remove container "/walker": container is running: stop the container before removing or force remove',
      );
      return true;
    });
    await containers.kill(id, "KILL");
    assert.deepEqual([containers.get(id).status, containers.get(id).exitCode], ["exited", 137]);
    await assert.rejects(
      containers.kill(id, "TERM"),
      /cannot kill container: walker: container .* is not running/,
    );
    assert.equal(await containers.stop(id, {}), false);
    assert.equal(await containers.start(id), true);
    await containers.remove(id, { force: true, volumes: false });
    assert.throws(() => containers.get(id), /^PlyError: No such container: /);
    const told = room.seen
      .slice(before)
      .map(({ action, actor }) => [action, actor.attributes["exitCode"] ?? actor.attributes["signal"] ?? ""]);
    assert.deepEqual(told, [
      ["create", ""],
      ["start", ""],
      ["kill", "9"],
      ["die", "137"],
      ["start", ""],
      ["kill", "9"],
      ["die", "137"],
      ["destroy", ""],
    ]);
    const { attributes } = room.seen.at(-1)?.actor ?? { attributes: {} };
    assert.deepEqual(attributes, { image: "box:1", name: "walker", team: "ply" });
  });

  test("names are unique and checked; an absent one is made up", async () => {
    const { containers } = room;
    const { id } = await containers.create(createOptions(["true"], { name: "taken" }));
    await assert.rejects(containers.create(createOptions(["true"], { name: "taken" })), (error) => {
      assert.ok(isPlyError(error, "conflict"));
      assert.equal(
        error.message,
        `Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
      return true;
    });
    await assert.rejects(containers.create(createOptions(["true"], { name: "a b" })), kind("invalid"));
    const other = await containers.create(createOptions(["true"]));
    assert.match(containers.get(other.id).name, /^[a-z]+_[a-z]+$/);
    await containers.remove("taken", { force: false, volumes: false });
    await containers.remove(other.id, { force: false, volumes: false });
    await assert.rejects(containers.create(createOptions(["true"], { image: "absent" })), kind("not-found"));
  });

  test("a command that cannot run: exit code, words, and the state it leaves", async () => {
    const { containers } = room;
    const { id } = await containers.create(createOptions(["nope"]));
    await assert.rejects(containers.start(id), (error) => {
      assert.ok(isPlyError(error));
      assert.equal(error.details["exitCode"], 127);
      assert.match(error.message, /exec: "nope": executable file not found in \$PATH/);
      return true;
    });
    const { status, exitCode, error } = containers.get(id);
    assert.deepEqual([status, exitCode], ["created", 127]);
    assert.match(error, /nope/);
    await containers.remove(id, { force: false, volumes: false });
    const auto = await containers.create(createOptions(["/etc"], { host: { autoRemove: true } }));
    const removed = containers.wait(auto.id, "removed");
    await assert.rejects(containers.start(auto.id));
    assert.equal((await removed).exitCode, 126);
    await assertNothingLeft();
  });

  test("the process sees environment, directory, user, hostname and files of /etc", async () => {
    const script =
      'echo "$GREETING $A $HOME $HOSTNAME"; pwd; id; hostname; cat /etc/hosts | head -1; cat /etc/hostname';
    const { stdout } = await runOnce(
      room,
      createOptions(["sh", "-c", script], {
        process: { env: ["A=b c"], user: "ply", workingDir: "/made/up", hostname: "box" },
        host: { ...none, autoRemove: true },
      }),
    );
    assert.equal(
      stdout,
      "hello b c /home/ply box\n/made/up\nuid=1000(ply) gid=1000(ply) groups=26(tape),1000(ply)\nbox\n127.0.0.1\tlocalhost\nbox\n",
    );
    await assert.rejects(
      runOnce(
        room,
        createOptions(["true"], { process: { user: "nobody-here" }, host: { autoRemove: true } }),
      ),
      /unable to find user nobody-here: no matching entries in passwd file/,
    );
  });

  test("stdin with its end, 3 MB both ways; without -i there is none", async () => {
    const input = Buffer.alloc(3_000_000);
    for (let at = 0; at < input.length; at++) input[at] = (at * 7 + (at >> 9)) & 0xff;
    const process = { openStdin: true, stdinOnce: true };
    const ran = await runOnce(room, createOptions(["cat"], { process, host: { autoRemove: true } }), input);
    assert.equal(ran.exitCode, 0);
    assert.ok(Buffer.from(ran.stdout, "latin1").equals(input));
    const none = await runOnce(
      room,
      createOptions(["cat"], { host: { autoRemove: true } }),
      Buffer.from("x"),
    );
    assert.equal(none.stdout, "");
  });

  test("several clients see the same; one that leaves does not disturb", async () => {
    const { containers } = room;
    const script = "read x; echo first $x; read x; echo second $x";
    const { id } = await containers.create(
      createOptions(["sh", "-c", script], { process: { openStdin: true }, host: { autoRemove: true } }),
    );
    const all = { stdin: true, stdout: true, stderr: true };
    await using one = await containers.attach(id, all);
    const two = await containers.attach(id, { ...all, stdin: false });
    await containers.start(id);
    const late = await containers.attach(id, all);
    const read = async ({ output }: typeof one) => {
      let text = "";
      for await (const { bytes } of output) {
        text += Buffer.from(bytes).toString();
        if (text === "first a\n") return text;
      }
      return text;
    };
    await one.writeStdin(Buffer.from("a\n"));
    assert.deepEqual(await Promise.all([read(two), read(late)]), ["first a\n", "first a\n"]);
    await two[Symbol.asyncDispose]();
    const removed = containers.wait(id, "removed");
    await late.writeStdin(Buffer.from("b\n"));
    await late[Symbol.asyncDispose]();
    let text = "";
    for await (const { bytes } of one.output) text += Buffer.from(bytes).toString();
    assert.equal(text, "first a\nsecond b\n");
    assert.equal((await removed).exitCode, 0);
  });

  test("stop: the stop signal, then SIGKILL when the time is up", async () => {
    const { containers } = room;
    const trap = (signal: string, then: string) => [
      "sh",
      "-c",
      `trap '${then}' ${signal}; echo up; while :; do sleep 0.01; done`,
    ];
    const startUp = async (cmd: string[], stopSignal: string) => {
      const { id } = await containers.create(createOptions(cmd, { process: { stopSignal } }));
      await using attachment = await containers.attach(id, { stdin: false, stdout: true, stderr: false });
      await containers.start(id);
      for await (const { bytes } of attachment.output) if (String(bytes).length > 0) break;
      return id;
    };
    const polite = await startUp(trap("USR1", "exit 4"), "SIGUSR1");
    assert.equal(await containers.stop(polite, {}), true);
    assert.equal(containers.get(polite).exitCode, 4);
    const deaf = await startUp(trap("TERM", ":"), "");
    assert.equal(await containers.stop(deaf, { timeoutSeconds: 0 }), true);
    assert.equal(containers.get(deaf).exitCode, 137);
    for (const id of [polite, deaf]) await containers.remove(id, { force: false, volumes: false });
  });

  test("changes and size are those of the container, mountpoints are not among them", async () => {
    const script = "echo new > /etc/motd; rm /etc/group; chmod 700 /tmp; mkdir /x; echo hi > /x/y";
    const { id } = await runOnce(
      room,
      createOptions(["sh", "-c", script], { host: { binds: [`${dir}:/deep/er/bind`] } }),
    );
    const { containers } = room;
    await containers.wait(id, "not-running");
    assert.deepEqual(
      (await containers.changes(id)).map(({ path, kind }) => `${kind[0]} ${path}`),
      ["m /etc", "d /etc/group", "m /etc/motd", "m /tmp", "a /x", "a /x/y"],
    );
    assert.equal(await containers.sizeOf(id), 7);
    const image = await containers.commit(id, {
      reference: parseReference("box:2"),
      comment: "by hand",
      author: "me",
    });
    const again = await runOnce(
      room,
      createOptions(["sh", "-c", "cat /etc/motd /x/y; ls /etc"], { image, host: { autoRemove: true } }),
    );
    assert.equal(again.stdout, "new\nhi\nhostname\nhosts\nmotd\npasswd\nresolv.conf\n");
    await containers.remove(id, { force: false, volumes: false });
    await room.images.remove("box:2", { force: false, noPrune: false });
    const fresh = await containers.create(createOptions(["true"]));
    assert.deepEqual(await containers.changes(fresh.id), []);
    assert.equal(await containers.sizeOf(fresh.id), 0);
    await containers.start(fresh.id);
    await containers.wait(fresh.id, "not-running");
    assert.deepEqual(await containers.changes(fresh.id), []);
    await containers.remove(fresh.id, { force: false, volumes: false });
  });

  test("a running container has no mountpoints among its changes either", async () => {
    const { containers } = room;
    const { id } = await containers.create(
      createOptions(["sleep", "100"], { host: { binds: [`${dir}:/deep/er/bind`] } }),
    );
    await containers.start(id);
    assert.deepEqual(await containers.changes(id), []);
    await containers.remove(id, { force: true, volumes: false });
  });

  test("binds are made, read-only where asked; volumes are filled from the image and go with --rm", async () => {
    const host = join(dir, "shared/made");
    const script = "echo back > /data/file; touch /ro/x; echo more > /etc/added; cat /etc/motd";
    const ran = await runOnce(
      room,
      createOptions(["sh", "-c", script], {
        host: {
          binds: [`${host}:/data`, `${dir}:/ro:ro`, "etc-volume:/etc", "/anonymous"],
          autoRemove: true,
        },
      }),
    );
    assert.equal(await readFile(join(host, "file"), "utf8"), "back\n");
    assert.match(ran.stderr, /\/ro\/x: Read-only file system/);
    assert.equal(ran.stdout, "welcome\n");
    const volumes = room.volumes.list();
    assert.deepEqual(
      volumes.map(({ name }) => name),
      ["etc-volume"],
    );
    assert.deepEqual(
      (await readdir(volumes[0]?.path ?? "")).filter((name) => name === "added" || name === "motd"),
      ["added", "motd"],
    );
    const { id } = await room.containers.create(
      createOptions(["true"], { host: { binds: ["etc-volume:/v"] } }),
    );
    await assert.rejects(room.volumes.remove("etc-volume"), kind("conflict"));
    await room.containers.remove(id, { force: false, volumes: true });
    await room.volumes.remove("etc-volume");
    for (const bind of ["relative/x:/a", "name:relative", "/a:/b:bogus", "x:/", "/a:/b:ro:z"])
      await assert.rejects(
        room.containers.create(createOptions(["true"], { host: { binds: [bind] } })),
        kind("invalid"),
        bind,
      );
  });

  test("privileged, capabilities, read-only root and no-new-privileges", async () => {
    const status =
      "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'; touch /x && echo wrote";
    const run = async (host: Parameters<typeof createOptions>[1]) =>
      (await runOnce(room, createOptions(["sh", "-c", status], host))).stdout.trim().split("\n");
    const auto = { autoRemove: true };
    assert.deepEqual(await run({ host: auto }), [
      "CapEff:00000000a80425fb",
      "NoNewPrivs:0",
      "Seccomp:2",
      "wrote",
    ]);
    assert.deepEqual(
      await run({
        host: {
          ...auto,
          readOnlyRootfs: true,
          capDrop: ["ALL"],
          capAdd: ["chown"],
          securityOpt: ["no-new-privileges"],
        },
      }),
      ["CapEff:0000000000000001", "NoNewPrivs:1", "Seccomp:2"],
    );
    const [caps, , seccomp] = await run({ host: { ...auto, privileged: true } });
    assert.notEqual(caps, "CapEff:00000000a80425fb");
    assert.equal(seccomp, "Seccomp:0");
  });

  test("a terminal has its size, and resizing needs a running container", async () => {
    const { containers } = room;
    const { id } = await containers.create(
      createOptions(
        ["sh", "-c", 'until [ "$(stty size 2>/dev/null)" = "33 101" ]; do sleep 0.01; done; stty size'],
        {
          process: { tty: true, openStdin: true, stdinOnce: true },
        },
      ),
    );
    await assert.rejects(containers.resize(id, { columns: 1, rows: 1 }), kind("conflict"));
    await using attachment = await containers.attach(id, { stdin: true, stdout: true, stderr: true });
    await containers.start(id);
    await containers.resize(id, { columns: 101, rows: 33 });
    let text = "";
    for await (const { bytes } of attachment.output) text += Buffer.from(bytes).toString();
    assert.match(text, /33 101\r\n/);
    await containers.wait(id, "not-running");
    await containers.remove(id, { force: false, volumes: false });
  });

  test("an image removed by force stays with its container until that goes too", async () => {
    const { containers, images, store } = room;
    const { id } = await runOnce(room, createOptions(["sh", "-c", "echo only here > /f"]));
    await containers.wait(id, "not-running");
    const image = await containers.commit(id, { reference: parseReference("gone:1") });
    await containers.remove(id, { force: false, volumes: false });
    const made = await containers.create(createOptions(["cat", "/f"], { image: "gone:1" }));
    const layers = store.layers.list().length;
    await images.remove("gone:1", { force: true, noPrune: false });
    assert.throws(() => images.resolve(image));
    assert.equal(await containers.start(made.id), true);
    assert.equal((await containers.wait(made.id, "not-running")).exitCode, 0);
    await containers.remove(made.id, { force: false, volumes: false });
    assert.equal(store.layers.list().length, layers - 1);
  });

  test("waiting ends when it is given up, when nothing runs, and when the container goes", async () => {
    const { containers } = room;
    const { id } = await containers.create(createOptions(["sleep", "100"]));
    assert.deepEqual(await containers.wait(id, "not-running"), { exitCode: 0 });
    const stop = new AbortController();
    const given = containers.wait(id, "next-exit", stop.signal);
    stop.abort();
    await assert.rejects(given, kind("cancelled"));
    const exit = containers.wait(id, "next-exit");
    await containers.remove(id, { force: false, volumes: false });
    assert.deepEqual(await exit, { exitCode: 0 });
  });

  test("many at once", async () => {
    const ran = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        runOnce(room, createOptions(["sh", "-c", `echo ${at}; exit ${at}`], { host: { autoRemove: true } })),
      ),
    );
    assert.deepEqual(
      ran.map(({ stdout, exitCode }) => [stdout, exitCode]),
      ran.map((_, at) => [`${at}\n`, at]),
    );
    await assertNothingLeft();
  });

  test("an engine that is killed leaves its containers running; the next one records how they end", async () => {
    const flag = join(dir, "flag");
    const binds = [`${dir}:/shared`];
    const waits = (code: number) => [
      "sh",
      "-c",
      `while [ ! -e /shared/flag ]; do sleep 0.01; done; exit ${code}`,
    ];
    const wanted = {
      stays: createOptions(waits(5), { name: "stays", host: { binds } }),
      auto: createOptions(waits(6), { name: "auto", host: { binds, autoRemove: true } }),
      away: createOptions(["sh", "-c", "exit 9"], { name: "away", host: { binds } }),
      resting: createOptions(["true"], { name: "resting" }),
      unborn: createOptions(["true"], { name: "unborn", host: { autoRemove: true } }),
    };
    await room[Symbol.asyncDispose]();
    const script = join(dir, "engine.ts");
    await writeFile(
      script,
      `import { openRoom } from ${JSON.stringify(join(import.meta.dirname, "testing/room.ts"))};
       const { containers } = await openRoom(${JSON.stringify(dir)});
       const wanted = ${JSON.stringify(wanted)};
       for (const options of Object.values(wanted)) await containers.create(options);
       for (const name of ["stays", "auto", "away"]) {
         if (name === "away") { process.kill(process.pid, "SIGSTOP"); }
         await containers.start(name);
       }
       console.log("ready");
       process.kill(process.pid, "SIGKILL");`.replace(
        `if (name === "away") { process.kill(process.pid, "SIGSTOP"); }`,
        "",
      ),
    );
    const engine = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const signal = await new Promise((resolve) => engine.once("exit", (_, by) => resolve(by)));
    assert.equal(signal, "SIGKILL");
    room = await openRoom(dir);
    const { containers } = room;
    assert.deepEqual(
      ["stays", "auto", "resting"].map((name) => containers.get(name).status),
      ["running", "running", "created"],
    );
    // Whoever would have started it is gone with the engine.
    assert.throws(() => containers.get("unborn"), kind("not-found"));
    assert.equal((await containers.wait("away", "not-running")).exitCode, 9);
    await using attachment = await containers.attach("stays", { stdin: false, stdout: true, stderr: true });
    const stays = containers.wait("stays", "next-exit");
    const auto = containers.wait("auto", "removed");
    await writeFile(flag, "");
    assert.deepEqual([(await stays).exitCode, (await auto).exitCode], [5, 6]);
    for await (const { bytes } of attachment.output) assert.fail(`unexpected output: ${String(bytes)}`);
    assert.throws(() => containers.get("auto"), kind("not-found"));
    await rm(flag);
    assert.equal(await containers.start("resting"), true);
    for (const name of ["stays", "away", "resting"]) {
      await containers.wait(name, "not-running");
      await containers.remove(name, { force: false, volumes: false });
    }
    await assertNothingLeft();
  });

  test("containers of a run root that was lost are recorded as ended", async () => {
    const { id } = await room.containers.create(createOptions(["sleep", "100"], { name: "lost" }));
    await room.containers.start(id);
    await room.runtime.delete(id);
    await room[Symbol.asyncDispose]();
    await rm(join(dir, "run"), { recursive: true });
    await chmod(dir, 0o700);
    room = await openRoom(dir);
    const { status, exitCode } = room.containers.get("lost");
    assert.equal(status, "exited");
    assert.ok(exitCode === 255 || exitCode === 137, String(exitCode));
    assert.equal(await room.containers.start("lost"), true);
    await room.containers.remove("lost", { force: true, volumes: true });
    await assertNothingLeft();
  });
});
