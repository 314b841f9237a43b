import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, type TestEngine } from "../support/ply.ts";
import { type Ran, type RunOptions, run, until } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";

const skip = unless("root", "crun", "conmon", "docker", "ps");

type Client = (args: readonly string[], options?: RunOptions) => Promise<Ran>;

describe("exec and top", { skip }, () => {
  let room: TestRoom;
  let engine: TestEngine;
  let scratch: string;
  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
    await engine.must([
      ...["run", "-d", "--name", "box", "--network", "none", "-e", "OWN=of the container", "-w", "/tmp"],
      ...["bb:1", "sleep", "100000"],
    ]);
  });
  after(() => room[Symbol.asyncDispose]());

  const clients: readonly (readonly [string, Client])[] = [
    ["ply", (args, options) => engine.ply(args, options)],
    ["docker", (args, options) => engine.docker(args, options)],
  ];
  for (const [name, client] of clients)
    describe(name, () => {
      test("output, error output and exit code pass through", async () => {
        const ran = await client(["exec", "box", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, "out\n", "err\n"]);
      });

      test("126, 127 and 128 + n mean what they mean in a shell", async () => {
        const missing = await client(["exec", "box", "no-such-command"]);
        assert.equal(missing.code, 127);
        assert.equal(missing.stdout, "");
        assert.match(
          missing.stderr,
          /^OCI runtime exec failed: exec failed: unable to start container process: exec: "no-such-command": executable file not found in \$PATH: unknown\r\n$/,
        );
        assert.equal((await client(["exec", "box", "/etc/passwd"])).code, 126);
        assert.equal((await client(["exec", "-w", "/not/there", "box", "true"])).code, 126);
        assert.equal((await client(["exec", "-t", "box", "no-such-command"])).code, 127);
        assert.equal((await client(["exec", "box", "sh", "-c", "kill -9 $$"])).code, 137);
        assert.equal((await client(["exec", "box", "sh", "-c", "kill -TERM $$"])).code, 143);
      });

      test("environment, directory and user are the container's unless said otherwise", async () => {
        const script = 'echo "$GREETING|$OWN|$A|$(pwd)|$(id -u):$(id -g)|$HOME"';
        const plain = await client(["exec", "box", "sh", "-c", script]);
        assert.match(plain.stdout, /^hello\|of the container\|\|\/tmp\|0:0\|/);
        writeFileSync(join(scratch, "env"), "# a comment\nA=from a file\n");
        const file = join(scratch, "env");
        const flags = ["-e", "OWN=mine", "--env-file", file, "-w", "/", "-u", "guest"];
        const own = await client(["exec", ...flags, "box", "sh", "-c", script]);
        assert.match(own.stdout, /^hello\|mine\|from a file\|\/\|1000:1000\|/, own.stderr);
        const unknown = await client(["exec", "-u", "nobody-here", "box", "true"]);
        assert.equal(unknown.code, 126);
        assert.match(unknown.stderr, /unable to find user nobody-here: no matching entries in passwd file/);
      });

      test("capabilities are the container's, all with --privileged", async () => {
        const status = ["sh", "-c", "cat /proc/self/status"];
        assert.match((await client(["exec", "box", ...status])).stdout, /CapEff:\s+00000000a80425fb/);
        const all = /CapEff:\s+(\w+)/.exec((await client(["exec", "--privileged", "box", ...status])).stdout);
        assert.ok(BigInt(`0x${all?.[1] ?? "0"}`) > 0xa80425fbn);
        assert.match((await client(["exec", "box", ...status])).stdout, /Seccomp:\s+2/);
      });

      test("stdin reaches the process with its end, three megabytes both ways", async () => {
        const bytes = randomBytes(3_000_000);
        const ran = await client(["exec", "-i", "box", "cat"], { stdin: bytes });
        assert.equal(ran.code, 0, ran.stderr);
        assert.ok(ran.bytes.equals(bytes), `${ran.bytes.length} bytes came back`);
        const none = await client(["exec", "box", "cat"], { stdin: "not for the process" });
        assert.deepEqual([none.code, none.stdout], [0, ""]);
      });

      test("streams are pipes that can be opened by name", async () => {
        const ran = await client([
          "exec",
          "box",
          "sh",
          "-c",
          "echo out > /dev/stdout; echo err > /dev/stderr",
        ]);
        assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, "out\n", "err\n"]);
      });

      test("what stays in the background does not keep the client", async () => {
        const ran = await client(["exec", "box", "sh", "-c", "sleep 1000 & echo done"], {
          timeoutMs: 20_000,
        });
        assert.deepEqual([ran.code, ran.stdout], [0, "done\n"]);
      });

      test("a terminal: size, and the exit code", async () => {
        const program = name === "ply" ? PLY_BINARY : "docker";
        // crun sets the size beside the start: whoever asks at once may see none.
        const inside = `'until stty size | grep "33 101"; do :; done; test -t 0 && echo terminal; exit 3'`;
        const line = `stty rows 33 cols 101; ${program} exec -it box sh -c ${inside}`;
        const ran = await run("script", ["-qec", line, "/dev/null"], {
          env: { PLY_HOST: engine.host, DOCKER_HOST: engine.host },
          stdin: "stays open",
        });
        assert.match(ran.stdout, /33 101\r\n/);
        assert.match(ran.stdout, /terminal\r\n/);
        assert.equal(ran.code, 3);
      });

      test("detached: it runs on, and what cannot run is said at once", async () => {
        assert.equal((await client(["exec", "-d", "box", "touch", `/tmp/${name}`])).code, 0);
        await until(
          "it has run",
          async () => (await client(["exec", "box", "test", "-e", `/tmp/${name}`])).code === 0,
        );
        const failed = await client(["exec", "-d", "box", "no-such-command"]);
        assert.notEqual(failed.code, 0);
        assert.match(failed.stderr, /executable file not found/);
      });

      test("a container that does not run is a conflict, one that is not there is not found", async () => {
        await engine.must(["create", "--name", `idle-${name}`, "--network", "none", "bb:1", "true"]);
        const idle = await client(["exec", `idle-${name}`, "true"]);
        assert.equal(idle.code, 1);
        assert.match(idle.stderr, /container [0-9a-f]{64} is not running/);
        assert.match((await client(["exec", "nobody", "true"])).stderr, /No such container: nobody/);
        assert.match((await client(["top", `idle-${name}`])).stderr, /is not running/);
      });

      test("it dies with its container", async () => {
        await engine.must([
          ...["run", "-d", "--name", `short-${name}`, "--network", "none", "bb:1", "sleep", "1000"],
        ]);
        const dying = client(["exec", `short-${name}`, "sh", "-c", "echo up; sleep 1000"]);
        // Both have come to their sleep, and the words of the shell are none.
        await until("it runs", async () => {
          const { stdout } = await engine.ply(["top", `short-${name}`]);
          return stdout.match(/[^;] sleep 1000$/gm)?.length === 2;
        });
        await engine.must(["kill", `short-${name}`]);
        const ran = await dying;
        assert.deepEqual([ran.code, ran.stdout], [137, "up\n"]);
      });

      test("top lists the processes, with ps's own options", async () => {
        const { stdout } = await client(["top", "box"]);
        assert.match(stdout, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
        assert.match(stdout, /sleep 100000\n/);
        const chosen = await client(["top", "box", "-o", "pid,args"]);
        assert.match(chosen.stdout, /^PID +COMMAND\n(\d+ +.*\n)*\d+ +sleep 100000\n/);
        assert.match(
          (await client(["top", "box", "-o", "args"])).stderr,
          /Couldn't find PID field in ps output/,
        );
      });
    });

  test("a hundred at once, none loses its output", async () => {
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, n) => engine.ply(["exec", "box", "sh", "-c", `echo ${n}; exit ${n}`])),
    );
    for (const [n, ran] of all.entries()) assert.deepEqual([ran.code, ran.stdout], [n, `${n}\n`], ran.stderr);
  });

  test("a session as the API tells of it, and its events", async () => {
    const since = Math.floor(Date.now() / 1000) - 1;
    const created = await engine.request("POST", "/containers/box/exec", {
      ...{ Cmd: ["sh", "-c", "echo $0; exit 5", "x"], AttachStdout: true, AttachStderr: true },
    });
    assert.equal(created.status, 201, created.text);
    const { Id } = JSON.parse(created.text) as { Id: string };
    const inspect = async () => JSON.parse((await engine.request("GET", `/exec/${Id}/json`)).text);
    const before = await inspect();
    assert.deepEqual([before.Running, before.ExitCode, before.Pid], [false, null, 0]);
    assert.deepEqual(before.ProcessConfig, {
      ...{ tty: false, entrypoint: "sh", arguments: ["-c", "echo $0; exit 5", "x"], privileged: false },
    });
    const box = JSON.parse((await engine.request("GET", "/containers/box/json")).text);
    assert.ok(box.ExecIDs.includes(Id));
    assert.equal((await engine.request("POST", `/exec/${Id}/resize?h=1&w=1`)).status, 409);
    const started = await engine.request("POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
    assert.equal(started.text, "\u0001\0\0\0\0\0\0\u0002x\n");
    const ended = await inspect();
    assert.deepEqual([ended.Running, ended.ExitCode, ended.ContainerID], [false, 5, box.Id]);
    const again = await engine.request("POST", `/exec/${Id}/start`, { Detach: true });
    assert.equal(again.status, 409);
    assert.match(again.text, /has already run/);
    assert.equal((await engine.request("GET", "/exec/none/json")).status, 404);
    const until = Math.ceil(Date.now() / 1000) + 1;
    const { text } = await engine.request("GET", `/events?since=${since}&until=${until}`);
    const actions = text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line))
      .filter(({ Actor }) => Actor.Attributes.execID === Id)
      .map(({ Action, Actor }) => [Action, Actor.Attributes.exitCode]);
    const words = "sh -c echo $0; exit 5 x";
    assert.deepEqual(actions, [
      [`exec_create: ${words}`, undefined],
      [`exec_start: ${words}`, undefined],
      ["exec_die", "5"],
    ]);
  });

  test("a session leaves no file and no descriptor behind", async () => {
    const id = (await engine.must(["ps", "-q", "--no-trunc", "--filter", "name=box"])).stdout.trim();
    const files = () =>
      readdirSync(join(engine.runRoot, "runtime", "bundles", id)).filter((file) => file.startsWith("exec-"));
    await until("the files are gone", () => files().length === 0);
    const descriptors = () => readdirSync(`/proc/${engine.pid}/fd`).length;
    for (let round = 0; round < 5; round++) await engine.must(["exec", "box", "true"]);
    const early = descriptors();
    for (let round = 0; round < 20; round++) await engine.must(["exec", "-i", "box", "cat"], { stdin: "x" });
    assert.ok(descriptors() < early + 15, `${early} descriptors became ${descriptors()}`);
  });

  test("an engine that is killed takes the streams along, not the process", async () => {
    await engine.must(["exec", "-d", "box", "sh", "-c", "sleep 1; echo lived > /tmp/lived"]);
    await engine.restart("SIGKILL");
    await until(
      "the process has gone on",
      async () => (await engine.ply(["exec", "box", "cat", "/tmp/lived"])).stdout === "lived\n",
    );
  });
});
