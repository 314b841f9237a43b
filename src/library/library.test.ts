import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { readTar } from "../tar/index.ts";
import { encodeFrame, formatQuery } from "../wire/index.ts";
import { tarOfDirectory, tarOfFiles } from "./archive.ts";
import { createBody } from "./containers.ts";
import { makeHome, sweep } from "./home.ts";
import { linesOf, outputOf, textOf } from "./output.ts";
import { findProgram } from "./program.ts";

async function contents(tar: AsyncIterable<Uint8Array>): Promise<string[]> {
  const found: string[] = [];
  for await (const { entry } of readTar(tar))
    found.push(`${entry.type} ${entry.path} ${entry.mode.toString(8)} ${entry.size}`);
  return found;
}

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

describe("archives", () => {
  test("of files that exist only in memory", async () => {
    const files = { "a/b": "text", "/run.sh": { content: Buffer.from("#!/bin/sh"), mode: 0o755 } };
    assert.deepEqual(await contents(tarOfFiles(files)), ["file a/b 644 4", "file run.sh 755 9"]);
  });

  test("of a directory", async () => {
    const home = mkdtempSync(join(tmpdir(), "ply-archive-"));
    try {
      mkdirSync(join(home, "kept/deep"), { recursive: true, mode: 0o755 });
      writeFileSync(join(home, "kept/deep/file"), "12345", { mode: 0o600 });
      symlinkSync("deep/file", join(home, "kept/link"));
      assert.deepEqual(await contents(tarOfDirectory(home)), [
        "directory kept/ 755 0",
        "directory kept/deep/ 755 0",
        "file kept/deep/file 600 5",
        "symlink kept/link 777 0",
      ]);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});

describe("output", () => {
  const frames = () =>
    pieces(
      ...[
        ["stdout", "one\ntw"],
        ["stderr", "oops\n"],
        ["stdout", "o\nrest"],
      ].map(([stream, text]) =>
        String.fromCharCode(
          ...encodeFrame({ stream: stream as "stdout" | "stderr", bytes: Buffer.from(text ?? "") }),
        ),
      ),
    );

  test("is one text for each stream, and both as they came", async () => {
    assert.deepEqual(await textOf(outputOf(frames(), { tty: false })), {
      stdout: "one\ntwo\nrest",
      stderr: "oops\n",
      output: "one\ntwoops\no\nrest",
    });
    assert.equal((await textOf(outputOf(pieces("a", "b"), { tty: true }))).stdout, "ab");
  });

  test("comes in lines, the last one too", async () => {
    const lines: string[] = [];
    for await (const line of linesOf(outputOf(pieces("one\r\ntw", "o\n", "rest"), { tty: true })))
      lines.push(line);
    assert.deepEqual(lines, ["one", "two", "rest"]);
  });
});

describe("requests", () => {
  test("leave out what was not said", () => {
    assert.equal(
      formatQuery({ a: true, b: false, c: undefined, d: ["x", "y z"], e: 0 }),
      "?a=1&d=x&d=y%20z&e=0",
    );
  });

  test("to create containers: ports on this machine alone, limits in the API's units", () => {
    const body = createBody({
      image: "bb:1",
      env: { A: "b" },
      ports: [80, { container: 53, host: 5353, protocol: "udp", address: "0.0.0.0" }],
      network: "net",
      aliases: ["web"],
      cpus: 0.5,
      memoryBytes: 1024,
      healthcheck: { command: ["true"], intervalMs: 5 },
    }) as Record<string, Record<string, unknown>>;
    assert.deepEqual(body["Env"], ["A=b"]);
    assert.deepEqual(body["HostConfig"]?.["PortBindings"], {
      "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }],
      "53/udp": [{ HostIp: "0.0.0.0", HostPort: "5353" }],
    });
    assert.equal(body["HostConfig"]?.["NanoCpus"], 500_000_000);
    assert.equal(body["Healthcheck"]?.["Interval"], 5_000_000);
    assert.deepEqual(body["NetworkingConfig"], { EndpointsConfig: { net: { Aliases: ["web"] } } });
  });
});

describe("the home of an engine", () => {
  test("is made where nobody else may write", () => {
    const parent = mkdtempSync(join(tmpdir(), "ply-home-"));
    try {
      const home = makeHome(join(parent, "own"));
      assert.ok(home.startsWith(join(parent, "own")));
      mkdirSync(join(parent, "open"));
      chmodSync(join(parent, "open"), 0o777);
      assert.throws(
        () => makeHome(join(parent, "open")),
        (error) => isPlyError(error, "denied"),
      );
      symlinkSync(join(parent, "own"), join(parent, "link"));
      assert.throws(
        () => makeHome(join(parent, "link")),
        (error) => isPlyError(error, "denied"),
      );
      // Nothing in it is run on somebody else's behalf.
      sweep(join(parent, "open"), ["/nowhere"]);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
});

describe("the program", () => {
  test("is the one that PLY_BINARY names, which must be there", () => {
    assert.deepEqual(findProgram({ PLY_BINARY: process.execPath }), [process.execPath]);
    assert.throws(
      () => findProgram({ PLY_BINARY: "/nowhere/ply" }),
      (error) => isPlyError(error, "unsupported"),
    );
  });
});
