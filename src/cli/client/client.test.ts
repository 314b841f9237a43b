import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isPlyError, type PlyError } from "../../error.ts";
import { formatQuery } from "../../wire/index.ts";
import { jsonLines, startFakeEngine } from "../testing/fake-engine.ts";
import { chooseAddress, defaultRoot, defaultRunRoot, type EngineAddress, parseAddress } from "./address.ts";
import { startEngine } from "./autostart.ts";
import { connect } from "./connect.ts";
import { createEngineClient, type EngineClient } from "./engine-client.ts";
import { openConnection } from "./open.ts";

describe("addresses", () => {
  test("of unix sockets and TCP", () => {
    assert.deepEqual(parseAddress("unix:///run/x.sock"), {
      kind: "unix",
      path: "/run/x.sock",
      text: "unix:///run/x.sock",
    });
    assert.deepEqual(parseAddress("/run/x.sock"), {
      kind: "unix",
      path: "/run/x.sock",
      text: "unix:///run/x.sock",
    });
    assert.deepEqual(parseAddress("tcp://127.0.0.1:2375"), {
      kind: "tcp",
      hostname: "127.0.0.1",
      port: 2375,
      text: "tcp://127.0.0.1:2375",
    });
    const v6 = parseAddress("tcp://[::1]");
    assert.ok(v6.kind === "tcp" && v6.hostname === "::1" && v6.port === 2375);
  });

  for (const text of [
    "",
    "unix://",
    "ssh://",
    "ssh://user:secret@host",
    "ssh://-oProxyCommand=x",
    "ssh://-oProxyCommand@host",
    "host:1",
    "tcp://",
    "tcp://h:0",
    "tcp://h:99999",
    "tcp://a/b",
  ])
    test(`${JSON.stringify(text)} is none`, () =>
      assert.throws(
        () => parseAddress(text),
        (error) => isPlyError(error, "invalid"),
      ));

  test("-H counts before PLY_HOST, before DOCKER_HOST, before the user's own socket", () => {
    const env = { PLY_HOST: "unix:///p", DOCKER_HOST: "unix:///d" };
    const chosen = (given: string | undefined, from: Record<string, string>, uid = 0): string => {
      const { address, explicit } = chooseAddress(given === undefined ? {} : { host: given }, from, uid);
      return `${address.text} ${explicit}`;
    };
    assert.equal(chosen("unix:///h", env), "unix:///h true");
    assert.equal(chosen(undefined, env), "unix:///p true");
    assert.equal(chosen(undefined, { DOCKER_HOST: "unix:///d" }), "unix:///d true");
    assert.equal(chosen(undefined, { PLY_HOST: "" }), "unix:///run/ply/ply.sock false");
    assert.equal(
      chosen(undefined, { XDG_RUNTIME_DIR: "/run/user/7" }, 7),
      "unix:///run/user/7/ply/ply.sock false",
    );
    assert.equal(defaultRunRoot({ XDG_RUNTIME_DIR: "/run/user/0" }, 0), "/run/ply");
    assert.equal(defaultRoot({ HOME: "/home/a" }, 7), "/home/a/.local/share/ply");
  });
});

describe("queries", () => {
  test("leave out what is not said, repeat lists and encode", () => {
    assert.equal(formatQuery({}), "");
    assert.equal(
      formatQuery({ a: true, b: false, c: undefined, d: "x y&z", e: ["1", "2"], f: 0 }),
      "?a=1&d=x%20y%26z&e=1&e=2&f=0",
    );
  });
});

function clientOf(host: string): EngineClient {
  const address = parseAddress(host);
  return createEngineClient(address, () => connect(address));
}

async function rejected(promise: Promise<unknown>): Promise<PlyError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isPlyError(error), `not a PlyError: ${String(error)}`);
  return error;
}

describe("the engine's client", () => {
  test("reads JSON and uses a connection again", async () => {
    await using engine = await startFakeEngine({
      "GET /a": { json: { a: "é" } },
      "POST /b": { status: 204, json: undefined },
    });
    const client = clientOf(engine.host);
    assert.deepEqual(await client.json("GET", "/a"), { a: "é" });
    assert.equal(await client.json("POST", "/b", { json: { x: 1 }, query: { q: "v" } }), undefined);
    assert.deepEqual(await client.json("GET", "/a"), { a: "é" });
    assert.equal(engine.connections(), 1);
    assert.equal(engine.requests[1]?.body, '{"x":1}');
    assert.equal(engine.requests[1]?.query.get("q"), "v");
    assert.equal(engine.requests[1]?.headers["content-type"], "application/json");
    client.close();
  });

  test("throws what the engine answers, by its kind or its status", async () => {
    await using engine = await startFakeEngine({
      "GET /typed": { status: 500, json: { message: "no room", kind: "limit", hint: "prune" } },
      "GET /docker": { status: 409, json: { message: "in use" } },
      "GET /text": (_request, response) => void response.writeHead(503).end("busy\n"),
      "GET /empty": (_request, response) => void response.writeHead(500).end(),
      "GET /strange": { status: 404, json: { message: "x", kind: "nonsense", hint: 7 } },
    });
    const client = clientOf(engine.host);
    const at = async (path: string): Promise<string> => {
      const { kind, message, hint } = await rejected(client.json("GET", path));
      return `${kind}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
    };
    assert.equal(await at("/typed"), "limit: no room (prune)");
    assert.equal(await at("/docker"), "conflict: in use");
    assert.equal(await at("/text"), "unavailable: busy");
    assert.equal(await at("/empty"), "internal: the engine answered 500 Internal Server Error");
    assert.equal(await at("/strange"), "not-found: x");
    assert.equal((await client.request("GET", "/docker", { accept: [409] })).status, 409);
    client.close();
  });

  test("hands out JSON lines as they arrive", async () => {
    await using engine = await startFakeEngine({ "POST /lines": jsonLines({ n: 1 }, { n: 2 }) });
    const client = clientOf(engine.host);
    const seen: unknown[] = [];
    for await (const value of await client.stream("POST", "/lines")) seen.push(value);
    assert.deepEqual(seen, [{ n: 1 }, { n: 2 }]);
    client.close();
  });

  test("an abort ends a stream as an abort, and the engine sees the client go", async () => {
    const gone = Promise.withResolvers<void>();
    await using engine = await startFakeEngine({
      "GET /forever": (_request, response) => {
        response.on("close", () => gone.resolve());
        response.writeHead(200);
        response.write('{"n":1}\n');
      },
    });
    const client = clientOf(engine.host);
    const controller = new AbortController();
    const stream = await client.stream("GET", "/forever", { signal: controller.signal });
    const error = await rejected(
      (async () => {
        for await (const _ of stream) controller.abort();
      })(),
    );
    assert.equal(error.kind, "cancelled");
    await gone.promise;
  });

  test("uploads a body of unknown length, larger than any buffer", async () => {
    await using engine = await startFakeEngine({
      "POST /load": (request, response) => void response.end(JSON.stringify({ bytes: request.body.length })),
    });
    const client = clientOf(engine.host);
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 40; i++) yield Buffer.alloc(100_000, 97);
      yield new Uint8Array(0);
    }
    assert.deepEqual(await client.json("POST", "/load", { body: body() }), { bytes: 4_000_000 });
  });

  test("a source that fails in the middle fails the request with its own error", async () => {
    await using engine = await startFakeEngine({});
    const client = clientOf(engine.host);
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("x");
      throw new TypeError("the disk is gone");
    }
    const error = await rejected(client.json("POST", "/load", { body: body() }));
    assert.match(error.message, /the disk is gone/);
  });

  test("an engine that refuses an upload early is heard", async () => {
    await using engine = await rawServer((socket) => {
      socket.once("data", () =>
        socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\n{"message":"bad"}'),
      );
    });
    const client = clientOf(engine.host);
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        ended = true;
      }
    }
    const error = await rejected(client.json("POST", "/load", { body: endless() }));
    assert.equal(`${error.kind} ${error.message}`, "invalid bad");
    client.close();
    while (!ended) await new Promise((resolve) => setImmediate(resolve));
  });

  test("hijacked connections go both ways and close one way at a time", async () => {
    await using engine = await startFakeEngine({}, (socket) => {
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst ");
      const chunks: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.on("end", () => socket.end(`got ${Buffer.concat(chunks).length}`));
    });
    const client = clientOf(engine.host);
    const { connection } = await client.hijack("/containers/x/attach", { query: { stream: true } });
    await connection.write(Buffer.alloc(3_000_000, 98));
    connection.closeWrite();
    let text = "";
    for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read())
      text += Buffer.from(bytes).toString();
    assert.equal(text, "first got 3000000");
  });

  test("a hijack that is refused throws the engine's reason", async () => {
    await using engine = await startFakeEngine({}, (socket) => {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n{"message":"no"}');
    });
    const error = await rejected(clientOf(engine.host).hijack("/containers/x/attach"));
    assert.equal(`${error.kind} ${error.message}`, "not-found no");
  });
});

describe("answers that are not what they should be", () => {
  const answers: readonly (readonly [name: string, answer: string, message: RegExp])[] = [
    ["no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", /not an HTTP answer/],
    ["an end before the head", "HTTP/1.1 200 OK\r\n", /closed the connection in the middle/],
    ["nothing at all", "", /closed the connection in the middle/],
    [
      "a short body",
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
      /closed the connection in the middle/,
    ],
    ["a bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", /invalid Content-Length/],
    ["a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", /invalid chunk size/],
    [
      "a cut chunk",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
      /closed the connection in the middle/,
    ],
    ["no JSON", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n<", /is not JSON/],
    ["an endless head", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`, /no line end within/],
  ];
  for (const [name, answer, message] of answers)
    test(name, async () => {
      await using engine = await rawServer((socket) => socket.once("data", () => socket.end(answer)));
      assert.match((await rejected(clientOf(engine.host).json("GET", "/x"))).message, message);
    });

  test("chunks may be cut anywhere, and informational answers come before", async () => {
    const answer =
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\n{"a\r\n4\r\n":1}\r\n0\r\nTrailer: x\r\n\r\n';
    await using engine = await rawServer((socket) => {
      socket.once("data", async () => {
        for (const byte of answer) {
          socket.write(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      });
    });
    const client = clientOf(engine.host);
    assert.deepEqual(await client.json("GET", "/x"), { a: 1 });
    client.close();
  });

  test("headers cannot be forged through values", async () => {
    await using engine = await startFakeEngine({});
    const error = await rejected(clientOf(engine.host).json("GET", "/x", { headers: { A: "b\r\nC: d" } }));
    assert.equal(error.kind, "invalid");
  });
});

describe("opening", () => {
  const never = async (): Promise<void> => assert.fail("must not start an engine");

  test("an address that was named is never started", async () => {
    const chosen = { address: parseAddress("unix:///nonexistent/ply.sock"), explicit: true };
    const error = await rejected(openConnection(chosen, never));
    assert.equal(error.kind, "unavailable");
    assert.equal(
      error.message,
      "Cannot connect to the ply engine at unix:///nonexistent/ply.sock. Is it running?",
    );
    assert.match(error.hint ?? "", /ply serve/);
  });

  test("an engine is started on the default socket, also where a dead one left its file", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
    try {
      const path = join(dir, "ply.sock");
      let server: AsyncDisposable | undefined;
      const chosen = { address: parseAddress(`unix://${path}`), explicit: false };
      const connection = await openConnection(chosen, async (address) => {
        assert.equal(address.path, path);
        server = await rawServer(() => {}, path);
      });
      connection.destroy();
      await server?.[Symbol.asyncDispose]();
      await writeFile(path, "");
      const error = await rejected(openConnection(chosen, async () => {}));
      assert.match(error.message, /Cannot connect/);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("a started program is waited for until it listens; one that ends is told with its last words", async () => {
    const dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
    try {
      const path = join(dir, "run", "ply.sock");
      const address: EngineAddress & { kind: "unix" } = { kind: "unix", path, text: `unix://${path}` };
      const script = join(dir, "engine.ts");
      await writeFile(
        script,
        `import { createServer } from "node:net";
         if (process.argv[2] !== "serve") process.exit(9);
         if (process.env["FAIL"]) { console.error("the root is on fire"); process.exit(3); }
         createServer((socket) => { socket.end(); }).listen(${JSON.stringify(path)}, () => {
           setTimeout(() => process.exit(0), 10_000);
         });`,
      );
      const program = [process.execPath, script];
      const error = await rejected(startEngine({ address, program, env: { ...process.env, FAIL: "1" } }));
      assert.match(error.message, /it ended with code 3\n {2}the root is on fire/);
      assert.match(error.hint ?? "", /engine\.log/);
      await startEngine({ address, program, env: process.env });
      (await connect(address)).destroy();
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});

/** A server that speaks as badly as the test wants. */
async function rawServer(
  onConnection: (socket: Socket) => void,
  at?: string,
): Promise<{ readonly host: string } & AsyncDisposable> {
  const dir = at === undefined ? await mkdtemp(join(tmpdir(), "ply-cli-test-")) : undefined;
  const path = at ?? join(dir ?? "", "raw.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (dir !== undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
