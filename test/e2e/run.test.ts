import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { mountsUnder, PLY_BINARY, type TestEngine } from "../support/ply.ts";
import { run, until } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";

const skip = unless("root", "crun", "conmon");
/** Tells one network from another, whatever devices come and go in them. */
const NETNS = "/proc/self/ns/net";

for (const storageDriver of ["erofs", "overlay2"])
  describe(`containers on ${storageDriver}`, { skip }, () => {
    let room: TestRoom;
    let engine: TestEngine;
    let scratch: string;
    before(async () => {
      room = await openRoom({ storageDriver });
      ({ engine, scratch } = room);
    });
    after(() => room[Symbol.asyncDispose]());
    const rm = ["run", "--rm", "--network", "none"];

    test("output, error output and exit code pass through", async () => {
      const ran = await engine.ply([...rm, "bb:1", "sh", "-c", "echo out; echo err >&2; exit 7"]);
      assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, "out\n", "err\n"]);
    });

    test("125, 126 and 127 mean what they mean in Docker", async () => {
      assert.equal((await engine.ply([...rm, "--no-such-flag", "bb:1"])).code, 125);
      const missing = await engine.ply([...rm, "--pull", "never", "no/such:image", "true"]);
      assert.equal(missing.code, 125);
      assert.match(missing.stderr, /No such image: no\/such:image/);
      const notExecutable = await engine.ply([...rm, "bb:1", "/etc/passwd"]);
      assert.equal(notExecutable.code, 126, notExecutable.stderr);
      const notFound = await engine.ply([...rm, "bb:1", "no-such-command"]);
      assert.equal(notFound.code, 127, notFound.stderr);
      assert.match(notFound.stderr, /no-such-command/);
    });

    test("a killed process gives 128 + signal", async () => {
      const command = ["run", "-d", "--name", "victim", "--network", "none", "bb:1", "sleep", "1000"];
      await engine.must(command);
      await engine.must(["kill", "victim"]);
      assert.equal((await engine.must(["wait", "victim"])).stdout.trim(), "137");
      await engine.must(["rm", "victim"]);
    });

    test("stdin reaches the process with its end, three megabytes both ways", async () => {
      const bytes = randomBytes(3_000_000);
      const ran = await engine.ply([...rm, "-i", "bb:1", "cat"], { stdin: bytes });
      assert.equal(ran.code, 0, ran.stderr);
      assert.ok(ran.bytes.equals(bytes), `${ran.bytes.length} bytes came back`);
    });

    test("without -i the process reads end of file at once", async () => {
      const ran = await engine.ply([...rm, "bb:1", "cat"], { stdin: "not for the container" });
      assert.deepEqual([ran.code, ran.stdout], [0, ""]);
    });

    test("environment, directory, user, entrypoint, hostname", async () => {
      const script = 'echo "$GREETING $A $(pwd) $(id -u):$(id -g) $(hostname)"';
      const flags = ["-e", "A=b c", "-w", "/made/up", "-u", "guest", "--hostname", "box"];
      const ran = await engine.ply([...rm, ...flags, "bb:1", "sh", "-c", script]);
      assert.equal(ran.stdout, "hello b c /made/up 1000:1000 box\n", ran.stderr);
      const entry = await engine.ply([...rm, "--entrypoint", "echo", "bb:1", "one", "two"]);
      assert.equal(entry.stdout, "one two\n");
      const unknown = await engine.ply([...rm, "-u", "nobody-here", "bb:1", "true"]);
      assert.notEqual(unknown.code, 0);
      assert.match(unknown.stderr, /nobody-here/);
    });

    test("a bind mount is seen inside, and read-only when asked", async () => {
      writeFileSync(join(scratch, "given"), "from the host\n");
      const ran = await engine.ply([
        ...rm,
        "-v",
        `${scratch}:/data`,
        "bb:1",
        "sh",
        "-c",
        "cat /data/given; echo back > /data/made",
      ]);
      assert.equal(ran.stdout, "from the host\n", ran.stderr);
      assert.equal(readFileSync(join(scratch, "made"), "utf8"), "back\n");
      const readOnly = await engine.ply([...rm, "-v", `${scratch}:/data:ro`, "bb:1", "touch", "/data/no"]);
      assert.notEqual(readOnly.code, 0);
      assert.ok(!existsSync(join(scratch, "no")));
    });

    test("network none has a loopback only; host is the host's", async () => {
      const links = "ls /sys/class/net";
      assert.equal((await engine.ply([...rm, "bb:1", "sh", "-c", links])).stdout.trim(), "lo");
      const host = await engine.ply([
        "run",
        "--rm",
        "--network",
        "host",
        "bb:1",
        "busybox",
        "readlink",
        NETNS,
      ]);
      assert.equal(host.stdout.trim(), readlinkSync(NETNS));
    });

    test("the default security: few capabilities, masked paths, no device access", async () => {
      const ran = await engine.ply([
        ...rm,
        "bb:1",
        "sh",
        "-c",
        "cat /proc/self/status; wc -c < /proc/kcore; mknod /tmp/sda b 8 0 && cat /tmp/sda",
      ]);
      assert.match(ran.stdout, /CapEff:\s+00000000a80425fb/);
      assert.match(ran.stdout, /Seccomp:\s+2/);
      assert.notEqual(ran.code, 0);
    });

    test("a terminal: size, raw bytes, and the exit code", async () => {
      const script = `stty size; test -t 0 && echo terminal; exit 3`;
      const command = [...rm, "-it", "bb:1", "sh", "-c", `"${script}"`].join(" ");
      const ran = await run(
        "script",
        ["-qec", `stty rows 33 cols 101; ${PLY_BINARY} ${command}`, "/dev/null"],
        {
          env: { PLY_HOST: engine.host },
          stdin: "stays open",
        },
      );
      assert.match(ran.stdout, /33 101\r\n/);
      assert.match(ran.stdout, /terminal\r\n/);
      assert.equal(ran.code, 3);
    });

    test("diff, commit and history of what a container changed", async () => {
      await engine.must([
        "run",
        "--name",
        "worker",
        "--network",
        "none",
        "bb:1",
        "sh",
        "-c",
        "echo new > /etc/motd; rm /etc/group; chmod 700 /tmp",
      ]);
      const changes = (await engine.must(["diff", "worker"])).stdout.trim().split("\n").sort();
      assert.deepEqual(changes, ["A /etc/motd", "C /etc", "C /tmp", "D /etc/group"]);
      const id = (
        await engine.must([
          "commit",
          "-m",
          "made by hand",
          "-a",
          "A. Uthor <a@example.com>",
          "-c",
          'CMD ["cat", "/etc/motd"]',
          "worker",
          "made:1",
        ])
      ).stdout.trim();
      assert.match(id, /^sha256:[0-9a-f]{64}$/);
      assert.equal((await engine.must([...rm, "made:1"])).stdout, "new\n");
      const gone = await engine.ply([...rm, "made:1", "cat", "/etc/group"]);
      assert.notEqual(gone.code, 0);
      const inspect = JSON.parse((await engine.must(["inspect", "made:1"])).stdout)[0];
      assert.equal(inspect.RootFS.Layers.length, 2);
      assert.equal(inspect.Author, "A. Uthor <a@example.com>");
      assert.match((await engine.must(["history", "made:1"])).stdout, /made by hand/);
      assert.match((await engine.ply(["rmi", "bb:1"])).stderr, /container|conflict/);
      await engine.must(["rm", "worker"]);
    });

    test("ps shows running and ended containers; a running one is not removed without force", async () => {
      await engine.must(["run", "-d", "--name", "sleeper", "--network", "none", "bb:1", "sleep", "1000"]);
      assert.match((await engine.must(["ps"])).stdout, /sleeper/);
      assert.match((await engine.must(["ps"])).stdout, /Up /);
      const refused = await engine.ply(["rm", "sleeper"]);
      assert.equal(refused.code, 1);
      assert.match(
        refused.stderr,
        /container is running: stop the container before removing or force remove/,
      );
      const duplicate = await engine.ply(["run", "--name", "sleeper", "--network", "none", "bb:1", "true"]);
      assert.equal(duplicate.code, 125);
      assert.match(duplicate.stderr, /already in use/);
      await engine.must(["rm", "-f", "sleeper"]);
      assert.doesNotMatch((await engine.must(["ps", "-a"])).stdout, /sleeper/);
    });

    test("a running container that removes itself is removed by force, and with a reader that left", async () => {
      await engine.must([
        "run",
        "-d",
        "--rm",
        "--name",
        "itself",
        "--network",
        "none",
        "bb:1",
        "sleep",
        "1000",
      ]);
      await engine.must(["rm", "-f", "itself"], { timeoutMs: 20_000 });
      assert.doesNotMatch((await engine.must(["ps", "-a"])).stdout, /itself/);
      const left = await run("sh", ["-c", `${PLY_BINARY} run --rm --network none bb:1 yes | head -1`], {
        env: { PLY_HOST: engine.host },
        timeoutMs: 20_000,
      });
      assert.equal(left.stdout, "y\n", left.stderr);
      await until("it is gone", async () => (await engine.must(["ps", "-aq"])).stdout === "");
    });

    test("running containers outlive a killed engine, with their exit codes", async () => {
      const script = "until test -e /tmp/go; do sleep 0.05; done; exit 42";
      await engine.must([
        "run",
        "-d",
        "--name",
        "survivor",
        "--network",
        "none",
        "-v",
        `${scratch}:/tmp`,
        "bb:1",
        "sh",
        "-c",
        script,
      ]);
      await engine.restart("SIGKILL");
      assert.match((await engine.must(["ps"])).stdout, /survivor/);
      await engine.kill("SIGKILL");
      writeFileSync(join(scratch, "go"), "");
      await new Promise((resolve) => setTimeout(resolve, 300));
      await engine.start();
      await until("the exit is recorded", async () =>
        /Exited \(42\)/.test((await engine.must(["ps", "-a"])).stdout),
      );
      await engine.must(["rm", "survivor"]);
    });

    test("what a container of 5 ms prints is never lost", async () => {
      for (let round = 0; round < 50; round++) {
        const ran = await engine.ply([...rm, "bb:1", "echo", `${round}`]);
        assert.deepEqual([ran.code, ran.stdout], [0, `${round}\n`], ran.stderr);
      }
    });

    test("nothing is left of removed containers", async () => {
      assert.equal((await engine.must(["ps", "-aq"])).stdout, "");
      const mounts = mountsUnder(engine.root);
      assert.deepEqual(
        mounts.filter((target) => target.includes("/containers/")),
        [],
      );
      assert.equal((await engine.ply(["system", "check"])).code, 0);
    });
  });
