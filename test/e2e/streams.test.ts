import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { hijack, unframe } from "../support/hijack.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { exited, type Ran, type RunOptions, until } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";
import { openTerminal } from "../support/terminal.ts";

const skip = unless("root", "crun", "conmon", "docker", "script", "stty");

/** Every byte there is, and some more. */
const BLOB = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, at) => at)), randomBytes(20_000)]);
const ROUNDS = 1000;
const AT_ONCE = 4;

describe("streams", { skip }, () => {
  let engine: TestEngine;
  before(async () => {
    engine = await startEngine();
    const members = [...busyboxMembers(), { name: "blob", data: BLOB }];
    await engine.must(["import", "-c", 'CMD ["sh"]', "-", "bb:1"], { stdin: tarball(members) });
  });
  after(() => engine[Symbol.asyncDispose]());

  const stateOf = async (name: string) =>
    JSON.parse((await engine.request("GET", `/containers/${name}/json`)).text).State;
  const isRunning = async (name: string): Promise<boolean> => (await stateOf(name)).Running;

  test("of a container that lives 5 ms nothing is lost, a thousand times", async () => {
    let left = ROUNDS;
    const script = "cat /blob; printf 'last words' >&2";
    const worker = async (number: number) => {
      const name = `short-${number}`;
      const created = await engine.request("POST", `/containers/create?name=${name}`, {
        ...{ Image: "bb:1", Cmd: ["sh", "-c", script], AttachStdout: true, AttachStderr: true },
        HostConfig: { NetworkMode: "none", LogConfig: { Type: "none" } },
      });
      assert.equal(created.status, 201, created.text);
      while (left-- > 0) {
        const attached = await hijack(engine.socket, `/containers/${name}/attach?stream=1&stdout=1&stderr=1`);
        const started = await engine.request("POST", `/containers/${name}/start`);
        assert.equal(started.status, 204, started.text);
        const { stdout, stderr } = unframe(await attached.all);
        assert.ok(stdout.equals(BLOB), `${stdout.length} bytes`);
        assert.equal(stderr.toString(), "last words");
        await engine.request("POST", `/containers/${name}/wait`);
      }
      await engine.must(["rm", name]);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, number) => worker(number)));
  });

  const clients: readonly (readonly [
    string,
    string,
    (args: readonly string[], options?: RunOptions) => Promise<Ran>,
  ])[] = [
    ["ply", PLY_BINARY, (args, options) => engine.ply(args, options)],
    ["docker", "docker", (args, options) => engine.docker(args, options)],
  ];
  for (const [name, program, client] of clients)
    describe(name, () => {
      const terminal = (...args: readonly string[]) =>
        openTerminal([program, ...args], {
          env: { PLY_HOST: engine.host, DOCKER_HOST: engine.host, HOME: engine.root },
          ...{ rows: 33, columns: 101 },
        });

      test("a terminal: detached by keys, joined again by two at once, resized", async () => {
        const box = `tty-${name}`;
        // No shell's own prompt: busybox's edits lines, and asks the terminal where its cursor is.
        const script = 'X=41; echo ready; while read -r line; do eval "$line"; done';
        const flags = ["-it", "--name", box, "--network", "none", "--detach-keys", "ctrl-a,d"];
        await using first = await terminal("run", ...flags, "bb:1", "sh", "-c", script);
        await first.sees(/ready\r\n/);
        first.type("stty size\n");
        await first.sees(/\n33 101\r\n/);
        // The first key alone reaches the process.
        first.type("echo a\x01b\n");
        await first.sees(/\na\x01b\r\n/);
        first.type("\x01d");
        assert.equal(await first.ended(), 0);
        assert.ok(await isRunning(box));

        await using second = await terminal("attach", box);
        await using third = await terminal("attach", box);
        second.type("echo $((X + 1))\n");
        await second.sees(/\n42\r\n/);
        third.type("echo $((X + 2))\n");
        await third.sees(/\n43\r\n/);
        await second.sees(/\n43\r\n/);
        second.type("echo $((X + 3))\n");
        await third.sees(/\n44\r\n/);
        await until("the size has changed", async () => {
          // Twice, for docker's client hears of it only some time after it has begun.
          await third.resize({ rows: 21, columns: 80 });
          await third.resize({ rows: 20, columns: 80 });
          third.type("stty size\n");
          const [, size] = await third.sees(/\n(\d+ \d+)\r\n/);
          return size === "20 80";
        });
        second.type("\x10\x11");
        // Docker's client calls that an error of its own ("read escape sequence").
        assert.equal(await second.ended(), name === "ply" ? 0 : 1);
        assert.ok(await isRunning(box));
        third.type("exit 5\n");
        assert.equal(await third.ended(), 5);
        assert.equal((await stateOf(box)).ExitCode, 5);
        await engine.must(["rm", box]);
      });

      test("exec: a terminal that is left by its keys runs on; resized", async () => {
        const box = `exec-${name}`;
        await engine.must(["run", "-d", "--name", box, "--network", "none", "bb:1", "sleep", "1000"]);
        const flags = ["-it", "--detach-keys", "ctrl-x,x"];
        const script = 'echo ready; while read -r line; do eval "$line"; done';
        await using shell = await terminal("exec", ...flags, box, "sh", "-c", script);
        await shell.sees(/ready\r\n/);
        await until("the size has changed", async () => {
          // Twice, for docker's client hears of it only some time after it has begun.
          await shell.resize({ rows: 21, columns: 80 });
          await shell.resize({ rows: 20, columns: 80 });
          shell.type("stty size\n");
          const [, size] = await shell.sees(/\n(\d+ \d+)\r\n/);
          return size === "20 80";
        });
        shell.type("sleep 987\n");
        await until("it runs", async () => /sleep 987/.test((await engine.must(["top", box])).stdout));
        shell.type("\x18x");
        assert.equal(await shell.ended(), name === "ply" ? 0 : 1);
        assert.match((await engine.must(["top", box])).stdout, /sleep 987/);
        await engine.must(["rm", "-f", box]);
      });

      test("the end of stdin reaches the process, whose answer still comes", async () => {
        const flags = ["--rm", "-i", "--network", "none"];
        const ran = await client(
          ["run", ...flags, "bb:1", "sh", "-c", "cat; echo end; sleep 0.1; echo last"],
          {
            stdin: BLOB,
          },
        );
        assert.ok(ran.bytes.equals(Buffer.concat([BLOB, Buffer.from("end\nlast\n")])), ran.stderr);
      });

      test("-a: only the streams that were named", async () => {
        const script = "echo out; echo err >&2; exit 3";
        const run = (...flags: string[]) =>
          client(["run", "--rm", "--network", "none", ...flags, "bb:1", "sh", "-c", script]);
        const both = await run("-a", "stdout", "-a", "STDERR");
        assert.deepEqual([both.code, both.stdout, both.stderr], [3, "out\n", "err\n"]);
        const out = await run("--attach", "stdout");
        assert.deepEqual([out.code, out.stdout, out.stderr], [3, "out\n", ""]);
        const wrong = await run("-a", "stdnone");
        assert.equal(wrong.code, 125);
        assert.match(wrong.stderr, /valid streams are STDIN, STDOUT and STDERR/);
        // Whoever joins stdin alone gets the id, and is done when all was taken.
        const flags = ["-i", "-a", "stdin", "--network", "none", "--name", `fed-${name}`];
        const fed = await client(["run", ...flags, "bb:1", "cat"], { stdin: BLOB });
        assert.equal(fed.code, 0, fed.stderr);
        // Some versions of docker's client print it, some do not.
        assert.match(fed.stdout, name === "ply" ? /^[0-9a-f]{64}\n$/ : /^([0-9a-f]{64}\n)?$/);
        await engine.must(["wait", `fed-${name}`]);
        assert.ok((await engine.must(["logs", `fed-${name}`])).bytes.equals(BLOB));
        await engine.must(["rm", `fed-${name}`]);
      });

      test("signals go to the process, or to the client alone", async () => {
        const script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.02; done";
        // Docker's client without --sig-proxy leaves SIGTERM unanswered.
        for (const proxy of name === "ply" ? [true, false] : [true]) {
          const box = `signals-${name}-${proxy}`;
          const flags = ["--network", "none", `--sig-proxy=${proxy}`, "--name", box];
          const child = spawn(program, ["run", ...flags, "bb:1", "sh", "-c", script], {
            env: { ...process.env, PLY_HOST: engine.host, DOCKER_HOST: engine.host, HOME: engine.root },
            stdio: ["ignore", "pipe", "inherit"],
          });
          let printed = "";
          child.stdout.on("data", (chunk: Buffer) => {
            printed += chunk.toString();
          });
          await until("it is ready", () => printed === "ready\n");
          child.kill("SIGTERM");
          await exited(child);
          if (proxy) assert.deepEqual([child.exitCode, printed], [9, "ready\ngot it\n"]);
          else {
            assert.notEqual(child.exitCode, 0);
            assert.ok(await isRunning(box));
          }
          await engine.must(["rm", "-f", box]);
        }
      });
    });
});
