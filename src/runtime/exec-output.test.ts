import assert from "node:assert/strict";
import { closeSync, writeSync } from "node:fs";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import { openPipe } from "../linux/index.ts";
import type { ExecEnd } from "./exec.ts";
import { mergeOutput } from "./exec-output.ts";

const ended = (end: ExecEnd) => Promise.resolve(end);

async function textOf(chunks: AsyncIterable<{ stream: string; bytes: Uint8Array }>) {
  const texts = { stdout: "", stderr: "" };
  for await (const { stream, bytes } of chunks)
    texts[stream === "stdout" ? "stdout" : "stderr"] += Buffer.from(bytes).toString();
  return texts;
}

/** Both pipes with this in them. */
function pipes(stdout: string, stderr: string) {
  const out = openPipe("read");
  const err = openPipe("read");
  writeSync(out.write, stdout);
  writeSync(err.write, stderr);
  return { out, err };
}

describe("the output of one more process", { skip: process.versions["bun"] === undefined }, () => {
  test("all of both pipes, when it has ended long before", async () => {
    const { out, err } = pipes("one", "two");
    closeSync(out.write);
    closeSync(err.write);
    const merged = mergeOutput({
      ...{ stdout: out.read, stderr: err.read, ended: ended({ exitCode: 0 }), isRunning: () => false },
    });
    assert.deepEqual(await textOf(merged.chunks), { stdout: "one", stderr: "two" });
  });

  test("what the runtime said of a process that never ran is not the process's", async () => {
    const { out, err } = pipes("", "executable file not found");
    closeSync(out.write);
    closeSync(err.write);
    const failure = new PlyError("invalid", "not found");
    const merged = mergeOutput({
      ...{ stdout: out.read, stderr: err.read, isRunning: () => false },
      ended: ended({ exitCode: 127, failure }),
    });
    assert.deepEqual(await textOf(merged.chunks), { stdout: "", stderr: "" });
  });

  test("pipes that something in the background holds do not keep the reader", async () => {
    const { out, err } = pipes("one", "two");
    const merged = mergeOutput({
      ...{ stdout: out.read, stderr: err.read, ended: ended({ exitCode: 0 }), isRunning: () => true },
    });
    assert.deepEqual(await textOf(merged.chunks), { stdout: "one", stderr: "two" });
    closeSync(out.write);
    closeSync(err.write);
  });
});
