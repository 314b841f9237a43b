import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import {
  type Fault,
  type FaultyRequest,
  type RegistryFixture,
  registryIsMissing,
  startFaultyProxy,
  startRegistry,
} from "../../test/support/registry.ts";
import { isPlyError } from "../error.ts";
import { type Descriptor, type Digest, digestOf, MEDIA_TYPE, parseReference } from "../oci/index.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { openRegistry } from "./open-registry.ts";

function open(options: Partial<RegistryOptions> = {}): RegistryClient & Disposable {
  return openRegistry({ userAgent: "ply tests", retries: 3, backoffMs: 1, stallTimeoutMs: 2000, ...options });
}

describe("an upload over a bad line", { skip: registryIsMissing }, () => {
  let registry: RegistryFixture;
  before(async () => {
    registry = await startRegistry();
  });
  after(() => registry?.stop());

  interface Outcome {
    readonly how: string;
    /** METHOD of each request, HEADs left out. */
    readonly methods: string;
    readonly opened: number;
    readonly requests: readonly FaultyRequest[];
  }

  /** Pushes fresh bytes through a proxy and reads them back from the registry itself. */
  async function upload(
    fault: (request: FaultyRequest, earlier: number) => Fault | undefined,
    size = 2_000_000,
    mountFrom: readonly string[] = [],
  ): Promise<Outcome> {
    const bytes = randomBytes(size);
    const descriptor: Descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(bytes), size };
    const counts = new Map<string, number>();
    await using proxy = await startFaultyProxy(registry.url, (request) => {
      const earlier = counts.get(request.method) ?? 0;
      counts.set(request.method, earlier + 1);
      return fault(request, earlier);
    });
    using client = open();
    let opened = 0;
    const how = await client.pushBlob(
      parseReference(`${proxy.host}/a`),
      descriptor,
      async function* () {
        opened++;
        for (let at = 0; at < size; at += 100_000) yield bytes.subarray(at, at + 100_000);
      },
      { mountFrom },
    );
    const back = await client.openBlob(parseReference(`${registry.host}/a`), descriptor, 0);
    const chunks: Uint8Array[] = [];
    for await (const chunk of back) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(bytes));
    const { requests } = proxy;
    const methods = requests.map(({ method }) => method).filter((method) => method !== "HEAD");
    return { how, methods: methods.slice(1).join(" "), opened, requests };
  }

  test("in one piece where nothing goes wrong", async () => {
    const { how, methods, opened } = await upload(() => undefined);
    assert.deepEqual({ how, methods, opened }, { how: "uploaded", methods: "POST PUT", opened: 1 });
  });

  // docker-registry 2.8 cannot go on with an upload that was cut within a request.
  test("starts again when the registry has lost the upload", async () => {
    const { how, methods } = await upload(({ method }, earlier) =>
      method === "PUT" && earlier === 0 ? { kind: "reset-request", afterBytes: 900_000 } : undefined,
    );
    assert.deepEqual({ how, methods }, { how: "uploaded", methods: "POST PUT GET POST PUT" });
  });

  test("sees that only the answer was lost", async () => {
    const { how, methods } = await upload(({ method }) =>
      method === "PUT" ? { kind: "truncate", afterBytes: 0 } : undefined,
    );
    assert.equal(how, "uploaded");
    assert.equal(methods, "POST PUT");
  });

  for (const status of [405, 413, 501])
    test(`in chunks where one piece is refused with ${status}`, async () => {
      const size = 20_000_000;
      const { how, methods, requests, opened } = await upload(
        ({ method, headers }) =>
          method === "PUT" && headers["content-length"] !== "0" ? { kind: "answer", status } : undefined,
        size,
      );
      assert.equal(how, "uploaded");
      assert.equal(methods.replace(" DELETE", ""), "POST PUT POST PATCH PATCH PUT");
      const ranges = requests
        .filter(({ method }) => method === "PATCH")
        .map(({ headers }) => headers["content-range"]);
      assert.deepEqual(ranges, ["0-16777215", "16777216-19999999"]);
      assert.equal(opened, 2);
    });

  test("in smaller chunks where those are too large for a proxy", async () => {
    const { how } = await upload(
      ({ headers }) =>
        Number(headers["content-length"] ?? 0) > 5_000_000 ? { kind: "answer", status: 413 } : undefined,
      9_000_000,
    );
    assert.equal(how, "uploaded");
  });

  test("chunks are as long as the registry wants at least", async () => {
    const wanted = 18_000_000;
    await using fake = await startFaultyProxy(registry.url, ({ method, path, headers }) => {
      if (path.includes("/blobs/sha256")) return { kind: "answer", status: 404 };
      const answer = { Location: "/v2/a/blobs/uploads/1", "OCI-Chunk-Min-Length": String(wanted) };
      if (method === "POST") return { kind: "answer", status: 202, headers: answer };
      if (method === "PUT") return { kind: "answer", status: headers["content-length"] === "0" ? 201 : 405 };
      const end = headers["content-range"]?.split("-")[1];
      return method === "PATCH" ? { kind: "answer", status: 202, headers: { Range: `0-${end}` } } : undefined;
    });
    using client = open();
    const bytes = Buffer.alloc(20_000_000);
    const content = { digest: digestOf(bytes), size: bytes.length };
    await client.pushBlob(parseReference(`${fake.host}/a`), content, async function* () {
      yield bytes;
    });
    const ranges = fake.requests
      .filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers["content-range"]);
    assert.deepEqual(ranges, [`0-${wanted - 1}`, `${wanted}-19999999`]);
  });

  test("a mount that is refused becomes an upload", async () => {
    const { how, methods } = await upload(() => undefined, 1000, ["none/1", "none/2"]);
    assert.equal(how, "uploaded");
    assert.match(methods, /^POST POST (DELETE )?PUT( DELETE)?$/);
  });

  test("gives up when nothing gets through", async () => {
    await assert.rejects(
      upload(({ method }) => (method === "PUT" ? { kind: "reset-request", afterBytes: 1 } : undefined)),
      (error) => isPlyError(error, "unavailable"),
    );
  });

  test("a refusal in the middle of the upload is reported as it is", async () => {
    const answer = JSON.stringify({ errors: [{ code: "DENIED", message: "quota exceeded" }] });
    await assert.rejects(
      upload(({ method }) =>
        method === "PUT"
          ? { kind: "answer", status: 403, headers: { "Content-Type": "application/json" }, body: answer }
          : undefined,
      ),
      (error) => isPlyError(error, "denied") && /denied: quota exceeded/.test(error.message),
    );
  });

  test("an abort leaves no upload behind", async () => {
    const abort = new AbortController();
    const digest = digestOf("never") as Digest;
    await using proxy = await startFaultyProxy(registry.url, () => undefined);
    using client = open();
    const pushing = client.pushBlob(
      parseReference(`${proxy.host}/a`),
      { digest, size: 10_000_000 },
      async function* () {
        yield new Uint8Array(1_000_000);
        abort.abort();
        yield new Uint8Array(1_000_000);
      },
      { signal: abort.signal },
    );
    await assert.rejects(pushing, (error) => isPlyError(error, "cancelled"));
    while (!proxy.requests.some(({ method }) => method === "DELETE"))
      await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

/** A registry that keeps what it got of a cut request, as the specification has it. */
async function startKeepingRegistry(): Promise<AsyncDisposable & { url: string; stored: () => Buffer }> {
  let kept = Buffer.alloc(0);
  let isDone = false;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url = "" } = request;
    const range = `0-${Math.max(kept.length - 1, 0)}`;
    const headers = { Location: "/v2/a/blobs/uploads/1?state=a%2Bb", Range: range };
    if (method === "HEAD") response.writeHead(isDone ? 200 : 404);
    else if (url === "/v2/") response.writeHead(200);
    else if (!/uploads\/$|state=a%2Bb/.test(url)) response.writeHead(400);
    else if (method === "GET") response.writeHead(204, headers);
    else if (method === "PUT") {
      isDone = true;
      response.writeHead(201);
    } else response.writeHead(202, headers);
    response.end();
  };
  const server = createServer((request, response) => {
    const start = /^(\d+)-\d+$/.exec(request.headers["content-range"] ?? "")?.[1];
    if (start !== undefined && Number(start) !== kept.length) {
      response.writeHead(416).end();
      return;
    }
    request.on("data", (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
    });
    request.on("error", () => undefined);
    request.on("end", () => answer(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    url: `http://127.0.0.1:${address.port}`,
    stored: () => kept,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

describe("an upload to a registry that keeps what it got", () => {
  test("goes on from there, and gives up only when nothing more gets through", async () => {
    const bytes = randomBytes(5_000_000);
    await using registry = await startKeepingRegistry();
    const before: number[] = [];
    await using proxy = await startFaultyProxy(registry.url, ({ headers }) => {
      if (Number(headers["content-length"] ?? 0) > 0) before.push(registry.stored().length);
      return before.length <= 5 ? { kind: "reset-request", afterBytes: 700_000 } : undefined;
    });
    using client = open({ retries: 1 });
    const content = { digest: digestOf(bytes), size: bytes.length };
    const how = await client.pushBlob(parseReference(`${proxy.host}/a`), content, async function* () {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    });
    assert.equal(how, "uploaded");
    assert.ok(registry.stored().equals(bytes));
    assert.ok(before.length >= 6, `${before.length} uploads`);
    assert.deepEqual(before, [...new Set(before)], "each began further on than the one before");
  });
});
