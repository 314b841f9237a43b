import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import type { TestEngine } from "../support/ply.ts";
import { until } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";

const skip = unless("root", "crun", "conmon");

describe("logs", { skip }, () => {
  let room: TestRoom;
  let engine: TestEngine;
  let scratch: string;
  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const start = async (name: string, script: string, ...flags: string[]): Promise<string> => {
    const words = ["run", "-d", "--name", name, "--network", "none", ...flags, "bb:1", "sh", "-c", script];
    return (await engine.must(words)).stdout.trim();
  };
  const finish = async (name: string, script: string, ...flags: string[]): Promise<string> => {
    const id = await start(name, script, ...flags);
    await engine.must(["wait", name]);
    return id;
  };
  const files = (id: string) =>
    readdirSync(join(engine.root, "containers", id)).filter((name) => name.startsWith("log"));

  test("both streams of an ended container, with tail, times and the docker client", async () => {
    rmSync(join(scratch, "go"), { force: true });
    const script =
      "echo one; echo two >&2; until test -e /t/go; do sleep 0.02; done; echo three; printf four";
    await start("both", script, "-v", `${scratch}:/t`);
    // Two streams are in no certain order but for what is known to have been read.
    await until("both are there", async () => {
      const { stdout, stderr } = await engine.must(["logs", "both"]);
      return stdout === "one\n" && stderr === "two\n";
    });
    writeFileSync(join(scratch, "go"), "");
    await engine.must(["wait", "both"]);
    const shown = await engine.must(["logs", "both"]);
    assert.deepEqual([shown.stdout, shown.stderr], ["one\nthree\nfour", "two\n"]);
    const docker = await engine.docker(["logs", "both"]);
    assert.deepEqual([docker.stdout, docker.stderr], ["one\nthree\nfour", "two\n"]);
    for (const logs of [engine.ply, engine.docker]) {
      const tail = await logs(["logs", "--tail", "2", "both"]);
      assert.deepEqual([tail.stdout, tail.stderr], ["three\nfour", ""]);
      assert.equal((await logs(["logs", "-n", "0", "both"])).stdout, "");
      assert.match(
        (await logs(["logs", "-t", "-n", "2", "both"])).stdout,
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n\d{4}\S+Z four$/,
      );
    }
    await engine.must(["rm", "both"]);
  });

  test("since and until cut by time", async () => {
    rmSync(join(scratch, "go"), { force: true });
    const script = "echo early; until test -e /t/go; do sleep 0.02; done; sleep 0.1; echo late";
    await start("timed", script, "-v", `${scratch}:/t`);
    await until("it has printed", async () => (await engine.must(["logs", "timed"])).stdout === "early\n");
    writeFileSync(join(scratch, "go"), "");
    await engine.must(["wait", "timed"]);
    const stamps = (await engine.must(["logs", "-t", "timed"])).stdout
      .split("\n")
      .map((line) => line.split(" ")[0]);
    const [early = "", late = ""] = stamps;
    for (const logs of [engine.ply, engine.docker]) {
      assert.equal((await logs(["logs", "--since", late, "timed"])).stdout, "late\n");
      assert.equal((await logs(["logs", "--until", early, "timed"])).stdout, "early\n");
      assert.equal((await logs(["logs", "--since", "10m", "timed"])).stdout, "early\nlate\n");
      assert.equal((await logs(["logs", "--until", "10m", "timed"])).stdout, "");
    }
    const seconds = `${(Date.parse(early) + Date.parse(late)) / 2000}`;
    assert.equal((await engine.must(["logs", "--since", seconds, "timed"])).stdout, "late\n");
    await engine.must(["rm", "timed"]);
  });

  test("a follower sees what comes, and ends with the container", async () => {
    const script = "echo begin; until test -e /t/go; do sleep 0.02; done; echo end";
    for (const [name, logs] of [
      ["f1", engine.ply],
      ["f2", engine.docker],
    ] as const) {
      rmSync(join(scratch, "go"), { force: true });
      await start(name, script, "-v", `${scratch}:/t`);
      const following = logs(["logs", "-f", name], { timeoutMs: 20_000 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      writeFileSync(join(scratch, "go"), "");
      const { code, stdout } = await following;
      assert.deepEqual([code, stdout], [0, "begin\nend\n"]);
      await engine.must(["rm", name]);
    }
  });

  test("a running container that removes itself has a log, and a follower reads it to the end", async () => {
    rmSync(join(scratch, "go"), { force: true });
    await start(
      "rmself",
      "echo begin; until test -e /t/go; do sleep 0.02; done; seq 20000",
      "--rm",
      "-v",
      `${scratch}:/t`,
    );
    await until("it has printed", async () => (await engine.must(["logs", "rmself"])).stdout === "begin\n");
    const following = engine.must(["logs", "-f", "rmself"], { timeoutMs: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    writeFileSync(join(scratch, "go"), "");
    const { stdout } = await following;
    assert.equal(stdout, `begin\n${Array.from({ length: 20_000 }, (_, at) => `${at + 1}\n`).join("")}`);
  });

  test("long lines, binary bytes and a terminal come back as they were", async () => {
    await finish("long", "head -c 300000 /dev/zero | tr '\\0' x; echo; printf 'a\\000\\377\\r\\nb'");
    const { bytes } = await engine.must(["logs", "long"]);
    const expected = Buffer.concat([
      Buffer.from(`${"x".repeat(300_000)}\na\0`),
      Buffer.from([0xff]),
      Buffer.from("\r\nb"),
    ]);
    assert.ok(bytes.equals(expected), `${bytes.length} bytes`);
    assert.equal((await engine.must(["logs", "-t", "long"])).stdout.match(/Z /g)?.length, 3);
    assert.equal((await engine.must(["logs", "-n", "2", "long"])).bytes.length, 6);
    await finish("tty", "echo on a terminal", "-t");
    assert.equal((await engine.must(["logs", "tty"])).stdout, "on a terminal\r\n");
    assert.equal((await engine.docker(["logs", "tty"])).stdout, "on a terminal\r\n");
    await engine.must(["rm", "long", "tty"]);
  });

  test("runs after one another are in one log", async () => {
    await finish("again", "echo run");
    await engine.must(["start", "again"]);
    await engine.must(["wait", "again"]);
    assert.equal((await engine.must(["logs", "again"])).stdout, "run\nrun\n");
    await engine.must(["rm", "again"]);
  });

  test("nothing is lost while the engine is killed again and again, and rotation goes on", async () => {
    const lines = 60_000;
    const script = `i=0; while test $i -lt ${lines}; do i=$((i+1)); echo "line $i"; done`;
    const id = await start("survivor", script, "--log-opt", "max-size=200k", "--log-opt", "max-file=1000");
    for (let round = 0; round < 8; round++) {
      await engine.restart("SIGKILL");
      // Conmon may have read half a line by now.
      assert.match((await engine.must(["logs", "-n", "1", "survivor"])).stdout, /^l?i?n?e? ?\d*\n?$/);
      await new Promise((resolve) => setTimeout(resolve, 120 * (round % 3)));
    }
    await engine.must(["wait", "survivor"], { timeoutMs: 60_000 });
    const expected = Array.from({ length: lines }, (_, at) => `line ${at + 1}\n`).join("");
    assert.ok((await engine.must(["logs", "survivor"])).stdout === expected);
    assert.equal(
      (await engine.must(["logs", "-n", "50000", "survivor"])).stdout,
      expected.slice(expected.indexOf("line 10001\n")),
    );
    await engine.must(["rm", "survivor"]);
    assert.ok(!existsSync(join(engine.root, "containers", id)));
  });

  test("rotation keeps the newest files, and a follower loses nothing on its way", async () => {
    rmSync(join(scratch, "go"), { force: true });
    const print = "i=0; while test $i -lt 6000; do i=$((i+1)); echo line $i; done";
    const script = `until test -e /t/go; do sleep 0.02; done; for part in 1 2 3 4; do ${print}; sleep 1.3; done`;
    const id = await start(
      "rotated",
      script,
      "-v",
      `${scratch}:/t`,
      "--log-opt",
      "max-size=50k",
      "--log-opt",
      "max-file=2",
    );
    const following = engine.must(["logs", "-f", "rotated"], { timeoutMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    writeFileSync(join(scratch, "go"), "");
    const { stdout } = await following;
    const part = Array.from({ length: 6000 }, (_, at) => `line ${at + 1}\n`).join("");
    assert.ok(stdout === part.repeat(4), `${stdout.length} bytes`);
    assert.ok(files(id).length <= 3, files(id).join());
    const kept = (await engine.must(["logs", "rotated"])).stdout;
    assert.ok(kept.length < stdout.length && stdout.endsWith(kept));
    await engine.must(["rm", "rotated"]);
  });

  test("a log is cleared, of a running container and of an ended one", async () => {
    const id = await start(
      "cleared",
      "echo before; until test -e /t/second; do sleep 0.02; done; echo after",
      "-v",
      `${scratch}:/t`,
    );
    await until("it has printed", async () => (await engine.must(["logs", "cleared"])).stdout === "before\n");
    await engine.must(["logs", "--clear", "cleared"]);
    assert.equal((await engine.must(["logs", "cleared"])).stdout, "");
    assert.deepEqual(files(id), ["log"]);
    writeFileSync(join(scratch, "second"), "");
    await engine.must(["wait", "cleared"]);
    assert.equal((await engine.must(["logs", "cleared"])).stdout, "after\n");
    await engine.must(["logs", "--clear", "cleared"]);
    assert.equal((await engine.must(["logs", "cleared"])).stdout, "");
    await engine.must(["rm", "cleared"]);
  });

  test("log drivers and options: what inspect says, and what is refused", async () => {
    await finish("plain", "true");
    const configOf = async (name: string) =>
      JSON.parse((await engine.must(["inspect", "--format", "{{json .HostConfig.LogConfig}}", name])).stdout);
    const rotation = { "max-size": "10m", "max-file": "5" };
    assert.deepEqual(await configOf("plain"), { Type: "json-file", Config: rotation });
    const labelled = ["--log-driver", "local", "--log-opt", "max-size=1m"];
    await finish("local", "echo kept", ...labelled);
    assert.deepEqual(await configOf("local"), { Type: "local", Config: { ...rotation, "max-size": "1m" } });
    assert.equal((await engine.docker(["logs", "local"])).stdout, "kept\n");
    const id = await finish("nothing", "echo gone", "--log-driver", "none");
    assert.deepEqual(files(id), []);
    for (const logs of [engine.ply, engine.docker]) {
      const refused = await logs(["logs", "nothing"]);
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /configured logging driver does not support reading/);
    }
    const details = ["--label", "a=b", "-e", "C=d", "--log-opt", "labels=a", "--log-opt", "env=C"];
    await finish("details", "echo line", ...details);
    assert.equal((await engine.docker(["logs", "--details", "details"])).stdout, "C=d,a=b line\n");
    const refusals: [string[], RegExp][] = [
      [["--log-driver", "nope"], /no log driver named 'nope' is registered/],
      [["--log-opt", "nope=1"], /unknown log opt 'nope' for json-file log driver/],
      [["--log-opt", "max-file=0"], /max-file cannot be less than 1/],
      [["--log-opt", "max-size=abc"], /invalid size: 'abc'/],
    ];
    for (const [flags, words] of refusals)
      for (const client of [engine.ply, engine.docker]) {
        const refused = await client(["create", "--network", "none", ...flags, "bb:1", "true"]);
        assert.notEqual(refused.code, 0);
        assert.match(refused.stderr, words);
      }
    await engine.must(["rm", "plain", "local", "nothing", "details"]);
  });

  test("the API: streams must be chosen, unknown containers are 404", async () => {
    await finish("api", "echo out; echo err >&2");
    assert.equal((await engine.request("GET", "/containers/api/logs")).status, 400);
    assert.equal((await engine.request("GET", "/containers/none-such/logs?stdout=1")).status, 404);
    assert.match(
      (await engine.request("GET", "/containers/api/logs?stderr=1&tail=1")).text,
      /^\x02\0{6}\x04err\n$/,
    );
    await engine.must(["rm", "api"]);
  });

  test("attach with logs gives the past and the rest, each once", async () => {
    rmSync(join(scratch, "go"), { force: true });
    await start(
      "past",
      "echo begin; until test -e /t/go; do sleep 0.02; done; echo end",
      "-v",
      `${scratch}:/t`,
    );
    await until("it has printed", async () => (await engine.must(["logs", "past"])).stdout === "begin\n");
    const past = await engine.request("POST", "/containers/past/attach?logs=1&stdout=1");
    assert.equal(past.text.slice(8), "begin\n");
    const attached = engine.request("POST", "/containers/past/attach?logs=1&stream=1&stdout=1");
    await new Promise((resolve) => setTimeout(resolve, 100));
    writeFileSync(join(scratch, "go"), "");
    const { text } = await attached;
    assert.equal(text.replace(/\x01\0{6}./g, ""), "begin\nend\n");
    await engine.must(["rm", "past"]);
  });

  test("several containers at once, each line with its name", async () => {
    await finish("a1", "echo one; echo two");
    await finish("bbb", "echo three");
    assert.equal((await engine.must(["logs", "a1", "bbb"])).stdout, "a1  | one\na1  | two\nbbb | three\n");
    await engine.must(["rm", "a1", "bbb"]);
  });
});
