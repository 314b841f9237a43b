import assert from "node:assert/strict";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { PlyError } from "../../../error.ts";
import {
  connectGrpc,
  type Given,
  type Metadata,
  type Read,
  type ServedMethod,
  serve,
  serveGrpc,
  serveOne,
} from "../../../grpc/index.ts";
import { readTar, TAR_END, type TarHeaderFields, tarHeader, tarPadding } from "../../../tar/index.ts";
import { sessionOver } from "./client.ts";
import { createKnownFiles } from "./known-files.ts";
import {
  credentials,
  diffCopy,
  getSecret,
  PACKET,
  type Packet,
  pull,
  type Stat,
  sendBytes,
  sendCopy,
} from "./methods.ts";
import type { BuildkitSession } from "./session.ts";

type Out = Given<typeof Packet>;
const DIRECTORY = 2 ** 31 + 0o755;

/** A session with a client that answers these methods. */
async function withClient(
  methods: readonly ServedMethod[],
  use: (session: BuildkitSession) => Promise<void>,
  { sharedKey = "", known = createKnownFiles() } = {},
) {
  const server = createServer((socket) => void serveGrpc(socket, methods));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const socket = await new Promise<Socket>((resolve) => {
    const opened = connect(port, "127.0.0.1", () => resolve(opened));
  });
  const connection = connectGrpc(socket);
  const closed = new AbortController();
  void connection.closed.then(() => closed.abort());
  try {
    const paths = methods.map(({ path }) => path);
    const options = {
      id: "1",
      sharedKey,
      known,
      methods: paths,
      connection,
      closed: closed.signal,
      agentDirectory: "/nowhere",
    };
    await use(sessionOver(options));
  } finally {
    connection.close();
    await connection.closed;
    server.close();
  }
}

interface File {
  readonly stat: Given<typeof Stat>;
  readonly content?: Uint8Array;
}

function file(path: string, content: string | Uint8Array, more: Given<typeof Stat> = {}): File {
  const bytes = Buffer.from(content);
  return { stat: { path: Buffer.from(path), mode: 0o644, size: bytes.length, ...more }, content: bytes };
}

/** A client that sends files as fsutil does, several at once, in pieces of `piece` bytes; the last asked for first. */
function sender(files: readonly File[], { piece = 32 * 1024 } = {}) {
  const seen: { metadata?: Metadata; asked: number; ended: boolean } = { asked: 0, ended: false };
  const method = serve(diffCopy, async function* (requests, { metadata }): AsyncGenerator<Out> {
    seen.metadata = metadata;
    for (const { stat } of files) yield { type: PACKET.stat, stat };
    yield { type: PACKET.stat };
    for await (const { type, id } of requests) {
      if (type === PACKET.end) {
        seen.ended = true;
        return yield { type: PACKET.end };
      }
      seen.asked++;
      const content = files[id]?.content ?? Buffer.alloc(0);
      for (let at = 0; at < content.length; at += piece)
        yield { type: PACKET.data, id, data: content.subarray(at, at + piece) };
      yield { type: PACKET.data, id };
    }
  });
  return { seen, method };
}

async function listed(tar: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { entry, content } of readTar(tar)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    const shown = bytes.length > 20 ? `${bytes.length} bytes of ${bytes[0]}` : bytes.toString();
    const { type, path, mode, uid, gid, linkTarget, mtimeSeconds, mtimeNanos, devMajor, devMinor, xattrs } =
      entry;
    const extra = [...xattrs].map(([name, value]) => `${name}=${Buffer.from(value)}`).join();
    lines.push(
      `${type} ${path} ${mode.toString(8)} ${uid}:${gid} ${mtimeSeconds}.${mtimeNanos} ${devMajor}:${devMinor} ${linkTarget}${extra} ${shown}`,
    );
  }
  return lines;
}

test("a client's directory comes as a tar with all that its files are", async () => {
  const big = Buffer.alloc(3_000_000, 7);
  const { method, seen } = sender([
    { stat: { path: Buffer.from("a"), mode: DIRECTORY, uid: 1, gid: 2 } },
    file("a/big", big),
    file("a/small", "small", { mode: 0o755 + 2 ** 23, modTime: 1_700_000_000_123_456_789n }),
    { stat: { path: Buffer.from("a/twin"), mode: 0o644, linkName: Buffer.from("a/small") } },
    file("empty", "", { modTime: -1n }),
    { stat: { path: Buffer.from("link"), mode: 2 ** 27 + 0o777, linkName: Buffer.from("/a/small") } },
    { stat: { path: Buffer.from("null"), mode: 2 ** 26 + 2 ** 21 + 0o666, devMajor: 1, devMinor: 3 } },
    { stat: { path: Buffer.from("pipe"), mode: 2 ** 25 + 0o600 } },
    file("x\xff", "", {
      xattrs: new Map([
        ["user.a", Buffer.from("b")],
        ["security.selinux", Buffer.from("no")],
      ]),
    }),
  ]);
  await withClient([method], async (session) => {
    const told: number[] = [];
    const filter = { exclude: ["*.o", "ä+ö"], followPaths: ["a", "b, c"] };
    const options = { onProgress: ({ bytes }: { bytes: number }) => void told.push(bytes) };
    assert.deepEqual(await listed(session.directory("context", filter, options)), [
      "directory a/ 755 1:2 0.0 0:0  ",
      "file a/big 644 0:0 0.0 0:0  3000000 bytes of 7",
      "file a/small 4755 0:0 1700000000.123456789 0:0  small",
      "hardlink a/twin 644 0:0 0.0 0:0 a/small ",
      "file empty 644 0:0 -1.999999999 0:0  ",
      "symlink link 777 0:0 0.0 0:0 /a/small ",
      "char null 666 0:0 0.0 1:3  ",
      "fifo pipe 600 0:0 0.0 0:0  ",
      "file x\u00c3\u00bf 644 0:0 0.0 0:0 user.a=b ",
    ]);
    assert.equal(told.at(-1), 3_000_005);
  });
  assert.equal(seen.ended, true);
  assert.deepEqual(seen.metadata?.get("dir-name"), ["context"]);
  assert.deepEqual(seen.metadata?.get("exclude-patterns"), ["*.o", "%C3%A4%2B%C3%B6"]);
  assert.deepEqual(seen.metadata?.get("exclude-patterns-encoded"), ["1"]);
  assert.deepEqual(seen.metadata?.get("followpaths"), ["a", "b, c"]);
});

test("files that grow are cut, those that shrink are as long as they are", async () => {
  const { method } = sender([
    { stat: { path: Buffer.from("a"), mode: 0o644, size: 3 }, content: Buffer.from("longer") },
    { stat: { path: Buffer.from("b"), mode: 0o644, size: 10 }, content: Buffer.from("shorter") },
    { stat: { path: Buffer.from("c"), mode: 0o644, size: 5_000_000 }, content: Buffer.alloc(2_000_000, 1) },
  ]);
  await withClient([method], async (session) => {
    assert.deepEqual(await listed(session.directory("context", {})), [
      "file a 644 0:0 0.0 0:0  lon",
      "file b 644 0:0 0.0 0:0  shorter",
      "file c 644 0:0 0.0 0:0  5000000 bytes of 1",
    ]);
  });
});

test("a file that is nothing like what was said takes no room", async () => {
  const size = 2 ** 52;
  const method = serve(diffCopy, async function* (requests): AsyncGenerator<Out> {
    yield { type: PACKET.stat, stat: { path: Buffer.from("a"), mode: 0o644, size } };
    yield { type: PACKET.stat };
    for await (const { id } of requests) {
      yield { type: PACKET.data, id, data: Buffer.alloc(300_000) };
      yield { type: PACKET.data, id };
    }
  });
  await withClient([method], async (session) => {
    const tar = session.directory("context", {});
    const read = async () => {
      for await (const _ of tar);
    };
    await assert.rejects(read(), { kind: "invalid", message: /less than it said/ });
  });
});

test("thousands of files come in order, and no more than fits is asked for ahead", async () => {
  const files = Array.from({ length: 5000 }, (_, n) => file(`f${String(n).padStart(5, "0")}`, `${n}`));
  const large = Array.from({ length: 12 }, (_, n) =>
    file(`g${String(n).padStart(2, "0")}`, Buffer.alloc(4_000_000, n)),
  );
  const { method, seen } = sender([...files, ...large], { piece: 1_000_000 });
  await withClient([method], async (session) => {
    const tar = session.directory("context", {});
    await tar.next();
    assert.ok(seen.asked <= 5005, `${seen.asked} were asked for before anything was read`);
    let size = 0;
    for await (const chunk of tar) size += chunk.length;
    assert.ok(size > 12 * 4_000_000);
    assert.equal(seen.asked, 5012);
  });
});

test("small files that have not changed are not asked for again, if their times can tell", async () => {
  const known = createKnownFiles();
  const exact = 1_700_000_000_123_456_789n;
  const young = BigInt(Date.now()) * 1_000_000n + 1n;
  const files = (word: string, modTime: bigint) => [
    file("changed", word, { modTime }),
    file("large", Buffer.alloc(100_000), { modTime: exact }),
    file("same", "same", { modTime: exact }),
    file("whole-seconds", "npm", { modTime: 500_000_000_000_000_000n }),
    file("young", "young", { modTime: young }),
  ];
  const transfer = async (sent: readonly File[], sharedKey: string, name = "context") => {
    const { method, seen } = sender(sent);
    let lines: string[] = [];
    const use = async (session: BuildkitSession) => {
      lines = await listed(session.directory(name, {}));
    };
    await withClient([method], use, { sharedKey, known });
    const contents = lines.map((line) => line.split(" ").at(-1));
    return [seen.asked, contents[0], contents[2]];
  };
  assert.deepEqual(await transfer(files("one", exact), "app:node"), [5, "one", "same"]);
  assert.deepEqual(await transfer(files("one", exact), "app:node"), [3, "one", "same"]);
  assert.deepEqual(await transfer(files("two", exact + 1n), "app:node"), [4, "two", "same"]);
  assert.deepEqual(await transfer(files("two", exact + 1n), "app:other"), [5, "two", "same"]);
  assert.deepEqual(await transfer(files("two", exact + 1n), "app:node", "named"), [5, "two", "same"]);
  for (const _ of [1, 2]) assert.deepEqual(await transfer(files("two", exact), ""), [5, "two", "same"]);
});

test("what is no proper transfer is refused", async () => {
  const refused = async (packets: readonly Out[], message: RegExp) => {
    const method = serve(diffCopy, async function* (requests) {
      yield* packets;
      for await (const _ of requests);
    });
    await withClient([method], async (session) => {
      await assert.rejects(listed(session.directory("context", {})), { kind: "invalid", message });
    });
  };
  const stat = (path: string, more: Given<typeof Stat> = {}): Out => ({
    type: PACKET.stat,
    stat: { path: Buffer.from(path), mode: 0o644, ...more },
  });
  for (const path of ["../up", "/root", "a/../b", "", ".", "a//b"]) await refused([stat(path)], /not within/);
  await refused([stat("b"), stat("a")], /out of order/);
  await refused([stat("a"), stat("a")], /out of order/);
  await refused([stat("a/b")], /out of order/);
  await refused([stat("a"), stat("a/b")], /out of order/);
  await refused([stat("a", { linkName: Buffer.from("b") })], /has not sent/);
  await refused([stat("a\0b")], /proper entry/);
  await refused([stat("a", { size: -1 })], /proper entry/);
  await refused([stat("a", { mode: 2 ** 19 })], /unknown kind/);
  await refused([{ type: PACKET.data, id: 0, data: Buffer.from("x") }], /not asked for/);
  await refused([{ type: PACKET.end }], /before it has sent/);
  await refused([{ type: PACKET.stat }, stat("a")], /after the last/);
  await refused([{ type: 9 }], /unknown kind of packet/);
  await refused([{ type: PACKET.error, data: Buffer.from("no such directory") }], /no such directory/);
  const early = serve(diffCopy, async function* (): AsyncGenerator<Out> {
    yield stat("a", { size: 5 });
  });
  await withClient([early], async (session) => {
    await assert.rejects(listed(session.directory("context", {})), { kind: "invalid", message: /too early/ });
  });
});

test("a directory is given to the client as it asks for it", async () => {
  const received: string[] = [];
  const contents = new Map<number, number>();
  let metadata: Metadata | undefined;
  const receiver = serve(sendCopy, async function* (packets, call): AsyncGenerator<Out> {
    metadata = call.metadata;
    let id = 0;
    let left = 1;
    for await (const { type, stat, id: of, data } of packets) {
      if (type === PACKET.end) return;
      const isLast = type === PACKET.stat ? stat === undefined : data.length === 0;
      if (isLast && --left === 0) yield { type: PACKET.end };
      if (type === PACKET.data) contents.set(of, (contents.get(of) ?? 0) + data.length);
      if (type !== PACKET.stat || stat === undefined) continue;
      received.push(
        `${Buffer.from(stat.path)} ${stat.mode.toString(8)} ${Buffer.from(stat.linkName)} ${stat.size}`,
      );
      if (stat.mode < 512 && stat.linkName.length === 0) {
        left++;
        yield { type: PACKET.request, id };
      }
      id++;
    }
  });
  const entries: readonly (TarHeaderFields & { readonly size: number })[] = [
    { path: "./", type: "directory", mode: 0o755, size: 0 },
    { path: "./dir/", type: "directory", mode: 0o755, size: 0 },
    { path: "./dir/big", type: "file", mode: 0o644, size: 5_000_000 },
    { path: "./dir/twin", type: "hardlink", mode: 0o644, size: 0, linkTarget: "./dir/big" },
    { path: "./link", type: "symlink", mode: 0o777, size: 0, linkTarget: "./dir" },
    { path: "./small", type: "file", mode: 0o600, size: 5 },
    { path: "./zero", type: "file", mode: 0o600, size: 0 },
  ];
  async function* tar() {
    for (const entry of entries) {
      yield tarHeader(entry);
      yield new Uint8Array(entry.size);
      yield tarPadding(entry.size);
    }
    yield TAR_END;
  }
  await withClient([receiver], (session) => session.sendDirectory(tar(), { exporter: 2 }));
  assert.deepEqual(received, [
    "dir 20000000755  0",
    "dir/big 644  5000000",
    "dir/twin 644 dir/big 0",
    "link 1000000777 ./dir 0",
    "small 600  5",
    "zero 600  0",
  ]);
  assert.deepEqual(
    [...contents],
    [
      [1, 5_000_000],
      [4, 5],
      [5, 0],
    ],
  );
  assert.deepEqual(metadata?.get("buildkit-attachable-exporter-id"), ["2"]);
});

test("a file is given to the client, which may not want it", async () => {
  let got = 0;
  let metadata: Metadata | undefined;
  const taker = serve(sendBytes, async function* (messages, call) {
    metadata = call.metadata;
    for await (const { data } of messages) got += data.length;
    yield* [];
  });
  async function* content() {
    yield new Uint8Array(5_000_000);
    yield new Uint8Array(1);
  }
  await withClient([taker], (session) =>
    session.sendFile(content(), { exporter: 0, metadata: { "containerimage.digest": "sha256:1" } }),
  );
  assert.equal(got, 5_000_001);
  assert.deepEqual(metadata?.get("exporter-md-containerimage.digest"), ["sha256:1"]);
  const refuser = serve(sendBytes, async function* () {
    yield* [];
    throw new PlyError("exists", "target already exists");
  });
  await withClient([refuser], (session) =>
    assert.rejects(session.sendFile(content(), { exporter: 0 }), { kind: "exists" }),
  );
});

test("credentials, secrets and uploads are asked for", async () => {
  const hosts: string[] = [];
  const methods = [
    serveOne(credentials, ({ host }) => {
      hosts.push(host);
      if (host === "none") return {};
      return host === "token" ? { secret: "t" } : { username: "u", secret: "p" };
    }),
    serveOne(getSecret, ({ id }: Read<typeof getSecret.request>) => {
      if (id === "none") throw new PlyError("not-found", "no such secret");
      return { data: Buffer.from(id) };
    }),
    serve(pull, async function* (_requests, { metadata }) {
      yield { data: Buffer.from(metadata.get("urlpath")?.[0] ?? "") };
    }),
  ];
  await withClient(methods, async (session) => {
    assert.deepEqual(await session.credentialsOf("docker.io"), { username: "u", password: "p" });
    assert.deepEqual(await session.credentialsOf("token"), { identityToken: "t" });
    assert.equal(await session.credentialsOf("none"), undefined);
    assert.deepEqual(hosts, ["registry-1.docker.io", "token", "none"]);
    assert.equal(String(await session.secret("s")), "s");
    assert.equal(await session.secret("none"), undefined);
    const chunks: Uint8Array[] = [];
    for await (const chunk of session.upload("http://buildkit-session/abc")) chunks.push(chunk);
    assert.equal(Buffer.concat(chunks).toString(), "/abc");
    assert.equal(await session.agent("default"), undefined);
  });
  await withClient([], async (session) => {
    assert.equal(await session.credentialsOf("docker.io"), undefined);
    assert.equal(await session.secret("s"), undefined);
  });
});
