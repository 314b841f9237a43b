import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import type { OutputChunk, RuntimeStreams } from "../runtime/index.ts";
import type { Attachment } from "./containers.ts";
import { createStreamHub } from "./stream-hub.ts";

const all = { stdin: true, stdout: true, stderr: true };

/** A container's side of the streams, driven by the test. */
function fakeStreams() {
  const queue: OutputChunk[] = [];
  let over = false;
  let wake: () => void = () => undefined;
  const calls: string[] = [];
  async function* output() {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) yield chunk;
      else if (over) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  const streams: RuntimeStreams = {
    output: output(),
    write: async (bytes) => void calls.push(`write ${Buffer.from(bytes)}`),
    end: async () => void calls.push("end"),
    async [Symbol.asyncDispose]() {
      calls.push("dispose");
      over = true;
      wake();
    },
  };
  return {
    streams,
    calls,
    /** Bytes that nobody has taken from the container yet. */
    waiting: queue,
    print(text: string, stream: OutputChunk["stream"] = "stdout") {
      queue.push({ stream, bytes: Buffer.from(text) });
      wake();
    },
    exit() {
      over = true;
      wake();
    },
  };
}

async function textOf({ output }: Attachment): Promise<string> {
  let text = "";
  for await (const { bytes } of output) text += Buffer.from(bytes).toString("latin1");
  return text;
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test("clients that came before the start and after it get what is printed from then on", async () => {
  const hub = createStreamHub({ closesStdin: false });
  assert.equal(hub.wantsConnection, false);
  const early = hub.attach(all);
  const errors = hub.attach({ stdin: false, stdout: false, stderr: true });
  assert.equal(hub.wantsConnection, true);
  const container = fakeStreams();
  hub.connect(container.streams);
  assert.equal(hub.wantsConnection, false);
  container.print("one ");
  await settle();
  const late = hub.attach(all);
  container.print("two ");
  container.print("oops ", "stderr");
  container.exit();
  assert.deepEqual(await Promise.all([early, errors, late].map(textOf)), [
    "one two oops ",
    "oops ",
    "two oops ",
  ]);
  assert.equal(hub.isConnected, false);
});

test("stdin waits for the start, and goes nowhere without the right to it", async () => {
  const hub = createStreamHub({ closesStdin: true });
  const client = hub.attach(all);
  const reader = hub.attach({ ...all, stdin: false });
  const container = fakeStreams();
  const written = client.writeStdin(Buffer.from("a")).then(() => client.closeStdin());
  await reader.writeStdin(Buffer.from("never"));
  await reader.closeStdin();
  hub.connect(container.streams);
  await written;
  assert.deepEqual(container.calls, ["write a", "end"]);
});

test("a container that never starts ends its clients", async () => {
  const hub = createStreamHub({ closesStdin: true });
  const client = hub.attach(all);
  const write = client.writeStdin(Buffer.from("a"));
  hub.finish();
  await assert.rejects(write, (error) => isPlyError(error, "conflict"));
  assert.equal(await textOf(client), "");
});

test("stdin closes with the client that has it, where the container was made for one; the connection goes last", async () => {
  for (const closesStdin of [true, false]) {
    const hub = createStreamHub({ closesStdin });
    const reader = hub.attach({ ...all, stdin: false });
    const container = fakeStreams();
    hub.connect(container.streams);
    const writer = hub.attach(all);
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    assert.deepEqual(container.calls, closesStdin ? ["end"] : []);
    await reader[Symbol.asyncDispose]();
    assert.equal(container.calls.at(-1), "dispose");
    assert.equal(hub.isConnected, false);
  }
});

test("a mere reader that leaves does not close the stdin that another has yet to bring", async () => {
  const hub = createStreamHub({ closesStdin: true });
  const reader = hub.attach({ ...all, stdin: false });
  const container = fakeStreams();
  hub.connect(container.streams);
  await reader[Symbol.asyncDispose]();
  assert.deepEqual([container.calls, hub.isConnected], [[], true]);
  const writer = hub.attach(all);
  await writer.writeStdin(Buffer.from("x"));
  container.exit();
  await textOf(writer);
  assert.deepEqual(container.calls, ["write x", "dispose"]);
});

test("a slow client slows the container down; leaving sets it free", async () => {
  const hub = createStreamHub({ closesStdin: false });
  const slow = hub.attach(all);
  const fast = hub.attach(all);
  const container = fakeStreams();
  hub.connect(container.streams);
  const block = "x".repeat(600_000);
  for (let count = 0; count < 5; count++) container.print(block);
  const reading = textOf(fast);
  await settle();
  assert.ok(container.waiting.length > 0, "the rest waits in the container");
  await slow[Symbol.asyncDispose]();
  container.exit();
  assert.equal((await reading).length, 3_000_000);
});
