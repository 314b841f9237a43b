import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { PlyError } from "../error.ts";
import { bytes, connectGrpc, message, method, serve, serveGrpc, serveOne, text, uint32 } from "./index.ts";

const Words = message({ words: text(1), count: uint32(2) });
const Data = message({ data: bytes(1) });
const ask = method("/test.Echo/Ask", Words, Words);
const fail = method("/test.Echo/Fail", Words, Words);
const missing = method("/test.Echo/Missing", Words, Words);
const count = method("/test.Echo/Count", Words, Words);
const sum = method("/test.Echo/Sum", Data, Words);
const echo = method("/test.Echo/Echo", Data, Data);
/** `count`: whether its messages come one at a time. */
const endless = method("/test.Echo/Endless", Words, Data);

let endlessSent = 0;
let cancelled: (() => void) | undefined;
const methods = [
  serveOne(ask, ({ words }, { metadata }) => ({
    words: `${words} ${metadata.get("x-list")?.join("|") ?? ""}`,
  })),
  serveOne(fail, ({ words }) => {
    throw new PlyError("denied", words, { details: { grpcStatusDetails: Buffer.from("why") } });
  }),
  serve(count, async function* (requests) {
    for await (const { count } of requests) for (let n = 0; n < count; n++) yield { count: n };
  }),
  serve(sum, async function* (requests) {
    let total = 0;
    for await (const { data } of requests) total += data.length;
    yield { count: total };
  }),
  serve(echo, async function* (requests) {
    for await (const { data } of requests) yield { data };
  }),
  serve(endless, async function* (requests, { signal }) {
    signal.addEventListener("abort", () => cancelled?.());
    for await (const { count } of requests)
      for (; !signal.aborted; endlessSent++) {
        yield { data: new Uint8Array(10_000) };
        if (count > 0) await new Promise((resolve) => setImmediate(resolve));
      }
  }),
];

const server = createServer((socket) => void serveGrpc(socket, methods));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const port = portOf(server);
after(() => server.close());

function portOf(listening: Server): number {
  const address = listening.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

function opened(at: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(at, "127.0.0.1", () => resolve(socket));
  });
}

async function dial(): Promise<ReturnType<typeof connectGrpc> & Disposable> {
  const connection = connectGrpc(await opened(port));
  return { ...connection, [Symbol.dispose]: () => connection.close() };
}

async function* of<T>(...values: T[]): AsyncGenerator<T, void> {
  yield* values;
}

test("one request and one answer; headers keep their values apart", async () => {
  using connection = await dial();
  const metadata = { "x-list": ["a, b", "c"] };
  assert.equal((await connection.ask(ask, { words: "hä" }, { metadata })).words, "hä a, b|c");
});

test("a status comes as an error of its kind, with its words and details", async () => {
  using connection = await dial();
  await assert.rejects(connection.ask(fail, { words: "no 100 % — nö\n" }), (error: PlyError) => {
    assert.equal(error.kind, "denied");
    assert.equal(error.message, "no 100 % — nö\n");
    assert.equal(String(error.details["grpcStatusDetails"]), "why");
    return true;
  });
  await assert.rejects(connection.ask(missing, {}), { kind: "unsupported", message: /\/test.Echo\/Missing/ });
});

test("streams of all kinds, many messages, big messages, calls side by side", async () => {
  using connection = await dial();
  const counted = async () => {
    let next = 0;
    for await (const { count: n } of connection.call(count, of({ count: 3000 }, { count: 0 })))
      assert.equal(n, next++);
    assert.equal(next, 3000);
  };
  const summed = async () => {
    async function* source() {
      for (let n = 0; n < 5000; n++) yield { data: new Uint8Array(n % 3000) };
    }
    for await (const { count: total } of connection.call(sum, source())) assert.equal(total, 6_497_500);
  };
  const echoed = async () => {
    const sent = [0, 1, 100_000, 3_000_000].map((length) => Buffer.alloc(length, length % 251));
    const got: Buffer[] = [];
    for await (const { data } of connection.call(echo, of(...sent.map((data) => ({ data })))))
      got.push(Buffer.from(data));
    assert.deepEqual(
      got.map((each) => each.toString("base64").slice(-8) + each.length),
      sent.map((each) => each.toString("base64").slice(-8) + each.length),
    );
  };
  await Promise.all([counted(), summed(), echoed()]);
});

for (const [how, count] of [
  ["at once", 0],
  ["one at a time", 1],
] as const)
  test(`whoever does not read what comes ${how} holds the other side up; leaving early cancels the call and no other`, async () => {
    using connection = await dial();
    const ended = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    endlessSent = 0;
    const answers = connection.call(endless, of({ count }));
    await answers.next();
    for (let before = -1; before !== endlessSent; ) {
      before = endlessSent;
      await connection.ask(ask, { words: "still here" });
      assert.ok(endlessSent < 1000, `${endlessSent} messages went nowhere`);
    }
    await answers.return();
    await ended;
    assert.equal((await connection.ask(ask, { words: "x" })).words, "x ");
  });

test("a signal, a lost connection and what the source throws end a call", async () => {
  using connection = await dial();
  const stop = new AbortController();
  const answers = connection.call(endless, of({}), { signal: stop.signal });
  await answers.next();
  stop.abort();
  await assert.rejects(
    async () => {
      for await (const _ of answers);
    },
    { kind: "cancelled" },
  );
  async function* broken() {
    yield { data: new Uint8Array(1) };
    throw new PlyError("corrupt", "the source broke");
  }
  await assert.rejects(
    async () => {
      for await (const _ of connection.call(echo, broken()));
    },
    { kind: "corrupt" },
  );
  const cut = connection.call(endless, of({}));
  await cut.next();
  connection.close();
  await connection.closed;
  await assert.rejects(
    async () => {
      for await (const _ of cut);
    },
    { kind: "unavailable" },
  );
  await assert.rejects(connection.ask(ask, {}), { kind: "unavailable" });
});

test("what is no HTTP/2 ends its connection and nothing else", async () => {
  using connection = await dial();
  for (const said of [
    "GET / HTTP/1.1\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x04\x09\x00\x00\x00\x00\x01abcd",
  ]) {
    const socket = await opened(port);
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(Buffer.from(said, "latin1"));
    await closed;
  }
  const talker = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => talker.listen(0, "127.0.0.1", resolve));
  const other = connectGrpc(await opened(portOf(talker)));
  await assert.rejects(other.ask(ask, {}), { kind: "unavailable" });
  await other.closed;
  talker.close();
  assert.equal((await connection.ask(ask, { words: "x" })).words, "x ");
});

test("another implementation's client is answered", async () => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const write = (value: { words?: string }) => Buffer.from(Words.encode(value));
  const asked = (path: string, words: string, metadata = new Metadata()) =>
    new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        write,
        Words.decode,
        { words },
        metadata,
        (error: ServiceError | null, value) => (error === null ? resolve(value?.words ?? "") : reject(error)),
      );
    });
  try {
    assert.equal(await asked(ask.path, "hello"), "hello ");
    await assert.rejects(asked(fail.path, "nö"), { code: status.PERMISSION_DENIED, details: "nö" });
    await assert.rejects(asked("/test.Echo/Other", ""), { code: status.UNIMPLEMENTED });
    const stream = client.makeBidiStreamRequest(
      echo.path,
      (value: Uint8Array) => Buffer.from(Data.encode({ data: value })),
      Data.decode,
    );
    const got: number[] = [];
    stream.on("data", ({ data }: { data: Uint8Array }) => got.push(data.length));
    const ended = new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
    for (const length of [5, 200_000, 0]) stream.write(new Uint8Array(length));
    stream.end();
    await ended;
    assert.deepEqual(got, [5, 200_000, 0]);
  } finally {
    client.close();
  }
});

test("whoever sends no more is hung up on", { timeout: 20_000 }, async () => {
  const listening = async (serve: (socket: Socket) => void): Promise<Server> => {
    const halves = createServer({ allowHalfOpen: true }, serve);
    await new Promise<void>((resolve) => halves.listen(0, "127.0.0.1", resolve));
    return halves;
  };
  const half = (port: number) => connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const served = await listening((socket) => void serveGrpc(socket, methods));
  const silent = await listening((socket) => {
    socket.on("error", () => {}).end();
    socket.resume();
  });
  try {
    for (const begin of ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]) {
      const socket = half(portOf(served));
      socket.on("error", () => {}).resume();
      const closed = new Promise((resolve) => socket.on("end", resolve).on("close", resolve));
      socket.end(begin);
      await closed;
      socket.destroy();
    }
    await connectGrpc(half(portOf(silent))).closed;
  } finally {
    served.close();
    silent.close();
  }
});
