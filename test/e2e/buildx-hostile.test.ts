import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { after, before, describe, test } from "node:test";
import {
  solveRequest,
  solveResponse,
  statusRequest,
  statusResponse,
} from "../../src/api/buildkit/control/control-messages.ts";
import {
  checkAgent,
  diffCopy,
  getSecret,
  PACKET,
  type Packet,
  sendBytes,
  sendCopy,
} from "../../src/api/buildkit/session/methods.ts";
import {
  connectGrpc,
  type Given,
  method,
  type Read,
  type ServedMethod,
  serve,
  serveGrpc,
  serveOne,
} from "../../src/grpc/index.ts";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import { mountsUnder } from "../support/ply.ts";
import { until } from "../support/process.ts";

const COPIES = "FROM scratch\nCOPY . /\n";

type Out = Given<typeof Packet>;
type Asked = AsyncIterable<Read<typeof Packet>>;
type Sender = (asked: Asked) => AsyncIterable<Out>;

const SERVICE = "/moby.buildkit.v1.Control/";
const solve = method(`${SERVICE}Solve`, solveRequest, solveResponse);
const status = method(`${SERVICE}Status`, statusRequest, statusResponse);

describe("hostile clients of BuildKit's protocol", { skip: unless("root", "crun", "conmon") }, () => {
  let room: BuildRoom;
  before(async () => {
    room = await openBuildRoom();
  });
  after(() => room[Symbol.asyncDispose]());

  /** What a path that speaks HTTP/2 answers with is read from behind its status. */
  async function upgraded(path: string, headers: readonly string[] = []): Promise<Socket> {
    const socket = connect(room.engine.socket);
    socket.on("error", () => {});
    const lines = [`POST ${path} HTTP/1.1`, "Host: x", "Connection: Upgrade", "Upgrade: h2c", ...headers];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    let head = Buffer.alloc(0);
    while (!head.includes("\r\n\r\n"))
      head = Buffer.concat([head, await new Promise<Buffer>((resolve) => socket.once("data", resolve))]);
    socket.pause();
    const end = head.indexOf("\r\n\r\n") + 4;
    if (end < head.length) socket.unshift(head.subarray(end));
    return socket;
  }

  const control = async () => {
    const connection = connectGrpc(throughJavaScript(await upgraded("/grpc")));
    return { ...connection, [Symbol.dispose]: () => connection.close() };
  };

  /** A client's session that answers these methods. */
  async function session(
    id: string,
    methods: readonly ServedMethod[],
  ): Promise<Disposable & { socket: Socket }> {
    const socket = await upgraded("/session", [
      `X-Docker-Expose-Session-Uuid: ${id}`,
      ...methods.map(({ path }) => `X-Docker-Expose-Session-Grpc-Method: ${path}`),
    ]);
    void serveGrpc(throughJavaScript(socket), methods);
    return { socket, [Symbol.dispose]: () => socket.destroy() };
  }

  /** Solves, and says what came of it: `CODE WORDS`, or "built". */
  async function solved(
    id: string,
    {
      exporter,
      signal,
      ref = crypto.randomUUID(),
    }: { exporter?: string; signal?: AbortSignal; ref?: string } = {},
  ): Promise<string> {
    using client = await control();
    const exporters = exporter === undefined ? [] : [{ type: exporter, attributes: new Map() }];
    const request = { ref, session: id, frontend: "dockerfile.v0", exporters };
    try {
      await client.ask(solve, request, signal === undefined ? {} : { signal });
      return "built";
    } catch (error) {
      const { message, details } = error as { message: string; details?: { grpcCode?: number } };
      return `${details?.grpcCode ?? "-"} ${message}`;
    }
  }

  /** What a build comes to with a client whose context is sent like this. */
  async function sending(context: Sender): Promise<string> {
    const id = crypto.randomUUID();
    using _ = await session(id, [directories({ dockerfile: holding(COPIES), context })]);
    return await solved(id);
  }

  const leftovers = () => [
    ...["build/spool", "ingest"].flatMap((each) => readdirSync(join(room.engine.root, each))),
    ...["build", "runtime/bundles"].flatMap((each) => readdirSync(join(room.engine.runRoot, each))),
    ...mountsUnder(room.engine.root),
  ];
  const isRunning = () => readdirSync(join(room.engine.runRoot, "runtime/bundles")).length > 0;
  const memory = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${room.engine.pid}/status`, "utf8"))?.[1]) * 1024;

  test("what no directory can be is refused, and nothing of it stays", async () => {
    const told = (...stats: Out["stat"][]): Sender =>
      async function* () {
        for (const stat of stats) yield { type: PACKET.stat, stat };
      };
    const path = (name: string) => Buffer.from(name);
    const link = { path: path("a"), mode: (1 << 27) | 0o777, linkName: path("/etc") };
    assert.match(await sending(told({ path: path("../a") })), /^2 .*not within its directory/);
    assert.match(await sending(told(link, { path: path("a/passwd"), size: 1 })), /^2 .*out of order/);
    assert.match(await sending(told({ path: path("a"), linkName: path("../b") })), /^2 .*has not sent/);
    assert.match(await sending(told({ path: path("a"), size: -(2 ** 50) })), /^2 .*no proper entry/);
    const xattrs = new Map([[`user.${"x".repeat(100_000)}`, path("")]]);
    const device = { path: path("a"), mode: (1 << 26) | 0o600, devMajor: -1 };
    for (const stat of [{ path: path("a"), mode: 2 ** 31 + 0o755, xattrs }, device])
      assert.match(await sending(wholly(stat)), /^2 .*"a"/);
    const before = memory();
    const less = await sending(async function* (asked) {
      yield { type: PACKET.stat, stat: { path: path("a"), size: 2 ** 52 } };
      yield { type: PACKET.stat };
      for await (const { id } of asked) {
        yield { type: PACKET.data, id, data: Buffer.alloc(300_000) };
        yield { type: PACKET.data, id };
      }
    });
    assert.match(less, /^2 .*less than it said/);
    assert.ok(memory() - before < 200e6, "zeros are made for what is not there");
    await until("the contexts are gone", () => leftovers().length === 0);
  });

  test("a client that is silent in any phase holds nothing but its own build up", async () => {
    let at = "";
    const silentAt = (phase: string) =>
      async function* (): AsyncGenerator<never> {
        at = phase;
        await new Promise(() => {});
      };
    const files = (dockerfile: string) => directories({ dockerfile: holding(dockerfile), context: wholly() });
    const secret = files("FROM bb:1\nRUN --mount=type=secret,id=s true\n");
    const agent = files("FROM bb:1\nRUN --network=none --mount=type=ssh sleep 1000\n");
    const copies = directories({ dockerfile: holding(COPIES), context: holding("x") });
    const phases: readonly (readonly [phase: string, methods: ServedMethod[], exporter?: string])[] = [
      ["dockerfile", [directories({ dockerfile: silentAt("dockerfile") })]],
      ["context", [directories({ dockerfile: holding(COPIES), context: silentAt("context") })]],
      ["secret", [secret, serve(getSecret, silentAt("secret"))]],
      ["tar", [copies, serve(sendBytes, silentAt("tar"))], "tar"],
      ["local", [copies, serve(sendCopy, silentAt("local"))], "local"],
      ["step", [agent, serveOne(checkAgent, () => ({}))]],
    ];
    for (const [phase, methods, exporter] of phases)
      for (const end of ["cancelled", "cut"]) {
        const id = crypto.randomUUID();
        using lent = await session(id, methods);
        const stop = new AbortController();
        const built = solved(id, { signal: stop.signal, ...(exporter === undefined ? {} : { exporter }) });
        await until("it is there", () => at === phase || (phase === "step" && isRunning()));
        at = "";
        assert.equal((await room.engine.request("GET", "/containers/json")).status, 200);
        if (end === "cut") lent.socket.destroy();
        else stop.abort();
        assert.match(await built, end === "cut" ? /^1 context canceled/ : /^- .*cancelled/);
        await until("all is gone", () => leftovers().length === 0);
      }
  });

  test("many who listen to a build hear of its end", async () => {
    const id = crypto.randomUUID();
    const ref = crypto.randomUUID();
    using _ = await session(id, [directories({ dockerfile: holding("FROM scratch\nENV A=1\n") })]);
    using client = await control();
    const listen = async () => {
      for await (const _ of client.call(status, one({ ref })));
    };
    const listeners = Array.from({ length: 200 }, listen);
    assert.equal(await solved(id, { ref }), "built");
    await Promise.all(listeners);
  });

  test("an engine that is killed leaves nothing of a build behind", async () => {
    const id = crypto.randomUUID();
    const dockerfile = holding("FROM bb:1\nRUN --network=none --mount=type=ssh sleep 1000\n");
    using _ = await session(id, [directories({ dockerfile }), serveOne(checkAgent, () => ({}))]);
    const built = solved(id);
    await until("the step runs", isRunning);
    assert.ok(leftovers().some((name) => name.endsWith(".sock")));
    await room.engine.restart("SIGKILL");
    assert.match(await built, /^- the connection was lost/);
    await until("all is gone", () => leftovers().length === 0);
  });
});

async function* one<Value>(value: Value): AsyncGenerator<Value> {
  yield value;
}

/** Sends directories by their names, and nothing where a name has none. */
function directories(senders: Readonly<Record<string, Sender>>): ServedMethod {
  return serve(diffCopy, async function* (asked, { metadata }) {
    const isIgnoreFile = metadata.get("followpaths")?.includes(".dockerignore") === true;
    const sender = senders[metadata.get("dir-name")?.[0] ?? ""];
    yield* isIgnoreFile || sender === undefined ? wholly()(asked) : sender(asked);
  });
}

/** Entries without contents, and the end. */
function wholly(...stats: NonNullable<Out["stat"]>[]): Sender {
  return async function* (asked) {
    for (const stat of stats) yield { type: PACKET.stat, stat };
    yield { type: PACKET.stat };
    for await (const { type, id } of asked)
      if (type === PACKET.end) return yield { type: PACKET.end };
      else yield { type: PACKET.data, id };
  };
}

/** One file, `Dockerfile`. */
function holding(content: string): Sender {
  const data = Buffer.from(content);
  return async function* (asked) {
    yield { type: PACKET.stat, stat: { path: Buffer.from("Dockerfile"), mode: 0o644, size: data.length } };
    yield { type: PACKET.stat };
    for await (const { type, id } of asked) {
      if (type === PACKET.end) return yield { type: PACKET.end };
      yield { type: PACKET.data, id, data };
      yield { type: PACKET.data, id };
    }
  };
}

/** Bun's HTTP/2 reads from sockets themselves, which passes over what was put back. */
function throughJavaScript(socket: Socket): Duplex {
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, () => done()),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => {
    if (!duplex.push(chunk)) socket.pause();
  });
  socket.on("close", () => duplex.destroy());
  return duplex;
}
