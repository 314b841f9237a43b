import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { decodeFrames } from "../wire/index.ts";
import { type TestApi, testApi } from "./testing/client.ts";
import { type FakeStreams, fakeContainer, fakeStreams } from "./testing/fake-engine.ts";

interface Hijacked {
  readonly socket: Socket;
  readonly head: string;
  /** All that follows the head. */
  readonly rest: Promise<Buffer>;
}

/** Upgrades as Docker's client does. `early` goes out in one packet with the head. */
async function hijack(api: TestApi, query: string, early = ""): Promise<Hijacked> {
  const socket = connect({ path: api.socketPath, allowHalfOpen: true });
  await once(socket, "connect");
  socket.write(
    `POST /v1.43/containers/${query} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n${early}`,
  );
  const head = Promise.withResolvers<string>();
  const rest = Promise.withResolvers<Buffer>();
  let seen = Buffer.alloc(0);
  let headEnd = -1;
  socket.on("data", (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    if (headEnd >= 0) return;
    const end = seen.indexOf("\r\n\r\n");
    if (end < 0) return;
    headEnd = end + 4;
    head.resolve(seen.subarray(0, end).toString());
  });
  socket.on("error", head.reject);
  socket.on("end", () => rest.resolve(seen.subarray(headEnd)));
  socket.on("close", () => rest.resolve(seen.subarray(headEnd)));
  return { socket, head: await head.promise, rest: rest.promise };
}

async function unframed(bytes: Uint8Array): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  const chunks = (async function* () {
    yield bytes;
  })();
  for await (const frame of decodeFrames(chunks))
    texts[frame.stream] = (texts[frame.stream] ?? "") + Buffer.from(frame.bytes).toString();
  return texts;
}

async function attachApi(
  process: Parameters<typeof fakeContainer>[0]["process"],
  streams: FakeStreams,
): Promise<TestApi> {
  const api = await testApi();
  const container = fakeContainer({
    name: "job",
    status: "running",
    ...(process === undefined ? {} : { process }),
  });
  api.engine.containerList.push(container);
  api.engine.streams.set(container.id, streams);
  return api;
}

const ALL = "job/attach?stream=1&stdin=1&stdout=1&stderr=1";

describe("attach", () => {
  test("without a terminal output comes in frames that say which stream", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({}, streams);
    const client = await hijack(api, ALL);
    assert.match(client.head, /^HTTP\/1\.1 101 UPGRADED\r\n/);
    assert.match(client.head, /Content-Type: application\/vnd\.docker\.multiplexed-stream/);
    assert.match(client.head, /Connection: Upgrade\r\nUpgrade: tcp/);
    streams.print("stdout", "out");
    streams.print("stderr", "err");
    streams.print("stdout", "x".repeat(100_000));
    streams.end();
    assert.deepEqual(await unframed(await client.rest), {
      stdout: `out${"x".repeat(100_000)}`,
      stderr: "err",
    });
    await streams.disposed;
  });

  test("only the streams that were asked for", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({}, streams);
    const client = await hijack(api, "job/attach?stream=1&stderr=1");
    streams.print("stdout", "out");
    streams.print("stderr", "err");
    streams.end();
    assert.deepEqual(await unframed(await client.rest), { stderr: "err" });
  });

  test("with a terminal output is raw, and a half-close is no end of input", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({ tty: true }, streams);
    const client = await hijack(api, ALL);
    assert.match(client.head, /Content-Type: application\/vnd\.docker\.raw-stream/);
    client.socket.end("ls\r");
    await until(() => streams.stdin.text === "ls\r");
    streams.print("stdout", "\u001b[0mfile");
    streams.end();
    assert.equal((await client.rest).toString(), "\u001b[0mfile");
    assert.equal(streams.stdin.closed, false);
  });

  test("input that came with the head and after it arrives in order; half-close is its end", async () => {
    const streams = fakeStreams({ echo: true });
    await using api = await attachApi({}, streams);
    const client = await hijack(api, ALL, "early ");
    const large = "y".repeat(1_500_000);
    client.socket.write(large);
    client.socket.end(" late");
    assert.deepEqual(await unframed(await client.rest), { stdout: `early ${large} late` });
    assert.equal(streams.stdin.closed, true);
  });

  test("input ends with its client only where the container was made for one client", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({ stdinOnce: false }, streams);
    const client = await hijack(api, ALL);
    client.socket.end("x");
    await until(() => streams.stdin.text === "x");
    streams.end();
    await client.rest;
    assert.equal(streams.stdin.closed, false);
  });

  test("the detach keys end the attachment and not the container", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({ tty: true }, streams);
    const client = await hijack(api, `${ALL}&detachKeys=ctrl-a,q`);
    client.socket.write("hi\x01");
    client.socket.write("q");
    await client.rest;
    await streams.disposed;
    assert.equal(streams.stdin.text, "hi");
    assert.equal(streams.stdin.closed, false);
    client.socket.destroy();
  });

  test("a client that is cut off lets go", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({}, streams);
    const client = await hijack(api, ALL);
    client.socket.destroy();
    await streams.disposed;
    assert.equal(api.engine.containerList.length, 3);
  });

  test("a client without upgrade gets the output as the body", async () => {
    const streams = fakeStreams();
    await using api = await attachApi({}, streams);
    streams.print("stdout", "out");
    streams.end();
    const answer = await api.call("POST", "/v1.30/containers/job/attach?stream=1&stdout=1");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "application/vnd.docker.raw-stream");
    assert.deepEqual(await unframed(Buffer.from(answer.text, "latin1")), { stdout: "out" });
  });
});

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
