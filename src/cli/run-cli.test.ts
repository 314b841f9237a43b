import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CATALOGUE, GROUPS } from "./catalogue.ts";
import { notYet } from "./later.ts";
import { startFakeEngine } from "./testing/fake-engine.ts";
import { runPly } from "./testing/run.ts";

describe("the command line", () => {
  test("an unknown command suggests what was meant", async () => {
    const { code, stderr, stdout } = await runPly(["pul"]);
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.equal(stderr, "ply: unknown command: ply pul\n\nDid you mean:\n  ply pull\n\nSee 'ply --help'.\n");
    assert.match(
      (await runPly(["image", "lss"])).stderr,
      /unknown command: ply image lss\n\nDid you mean:\n {2}ply image ls/,
    );
    assert.match(
      (await runPly(["zzzzzz"])).stderr,
      /^ply: unknown command: ply zzzzzz\n\nSee 'ply --help'\.$/m,
    );
    assert.match((await runPly(["df"])).stderr, /Did you mean:\n {2}ply system df\n/);
  });

  test("a command that only Docker has is told from one that nobody has", async () => {
    const { code, stderr } = await runPly(["compose"]);
    assert.equal(code, 1);
    assert.match(stderr, /^ply: ply has no 'compose' yet; for now: /);
    for (const { names } of CATALOGUE) assert.equal(notYet(names[0]), undefined, `${names[0]} is there`);
  });

  test("an unknown flag that is close to one is told as that", async () => {
    assert.match(
      (await runPly(["images", "--formt", "x"])).stderr,
      /formt\nDid you mean --format\?\n\nUsage/,
    );
  });

  test("an unknown flag is refused as Docker refuses it", async () => {
    const { code, stderr } = await runPly(["pull", "--x"]);
    assert.equal(code, 125);
    assert.equal(
      stderr,
      "unknown flag: --x\n\nUsage:  ply pull [OPTIONS] NAME[:TAG|@DIGEST]...\n\nSee 'ply pull --help'.\n",
    );
    assert.equal((await runPly(["--nope"])).code, 125);
  });

  test("the number of arguments is checked", async () => {
    for (const [words, message] of [
      [["pull"], "'ply pull' requires at least 1 argument"],
      [["tag", "a"], "'ply tag' requires 2 arguments"],
      [["version", "a"], "'ply version' takes no arguments"],
      [["images", "a", "b"], "'ply images' takes at most 1 argument"],
      [["run"], "'ply run' requires at least 1 argument"],
    ] as const) {
      const { code, stderr } = await runPly(words);
      assert.equal(code, 1);
      assert.ok(stderr.startsWith(`${message}\n\nUsage:`), stderr);
    }
  });

  test("an engine that was named and does not answer is a clear error", async () => {
    const { code, stderr } = await runPly(["-H", "unix:///nonexistent/x.sock", "images"]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      "Error: Cannot connect to the ply engine at unix:///nonexistent/x.sock. Is it running?\nHint: start it with: ply serve -H unix:///nonexistent/x.sock\n",
    );
    assert.equal((await runPly(["-H", "unix:///nonexistent/x.sock", "run", "x"])).code, 125);
  });

  test("-H counts before the environment", async () => {
    await using engine = await startFakeEngine({ "GET /images/json": { json: [] } });
    const { code } = await runPly(["-H", engine.host, "images"], {
      env: { PLY_HOST: "unix:///nonexistent" },
    });
    assert.equal(code, 0);
  });
});

describe("help", () => {
  test("ply alone, --help and help are the same and name every section", async () => {
    const { stdout, code } = await runPly([]);
    assert.equal(code, 0);
    assert.equal((await runPly(["--help"])).stdout, stdout);
    assert.equal((await runPly(["help"])).stdout, stdout);
    for (const line of [
      "Usage:  ply [OPTIONS] COMMAND",
      "Containers:",
      "Images:",
      "Registries:",
      "Engine:",
      "Groups:",
    ])
      assert.ok(stdout.includes(`${line}\n`), line);
  });

  test("help about a command is its --help", async () => {
    const { stdout } = await runPly(["help", "image", "ls"]);
    assert.equal((await runPly(["images", "--help"])).stdout, stdout);
    assert.equal((await runPly(["image", "ls", "-h"])).stdout, stdout);
    assert.ok(stdout.startsWith("Usage:  ply images [OPTIONS] [REPOSITORY[:TAG]]\n\nList images\n"), stdout);
  });

  test("a terminal's width is respected", async () => {
    const { stdout } = await runPly(["run", "--help"], { size: { columns: 70, rows: 20 } });
    const table = stdout.slice(stdout.indexOf("Options:"), stdout.indexOf("Examples:"));
    for (const line of table.split("\n")) assert.ok(line.length <= 70 || !line.startsWith("   "), line);
  });

  for (const [group] of Object.entries(GROUPS))
    test(`ply ${group} lists its verbs`, async () => {
      const { stdout, code } = await runPly([group]);
      assert.equal(code, 0);
      assert.match(stdout, /Commands:\n( {2}\w+ +\S.*\n)+/);
    });

  test("every command has names of its own, and help with a summary and every flag", async () => {
    const names = CATALOGUE.flatMap((entry) => entry.names);
    assert.equal(new Set(names).size, names.length);
    for (const entry of CATALOGUE) {
      const { default: command } = await entry.load();
      for (const name of entry.names) {
        const { code, stdout, stderr } = await runPly([...name.split(" "), "--help"]);
        assert.equal(code, 0, stderr);
        assert.ok(stdout.includes(entry.summary), name);
        for (const flag of Object.keys(command.flags))
          assert.ok(stdout.includes(`--${flag}`), `${name} --${flag}`);
      }
      const shorts = Object.values(command.flags).flatMap(({ short }) => short ?? []);
      assert.equal(new Set(shorts).size, shorts.length, `${entry.names[0]}: a letter twice`);
    }
  });

  test("ply --version", async () => {
    assert.match((await runPly(["--version"])).stdout, /^ply version \d+\.\d+\.\d+\n$/);
  });
});
