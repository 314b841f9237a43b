import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import {
  type Fault,
  type FaultyRequest,
  type RegistryFixture,
  registryIsMissing,
  startFaultyProxy,
  startRegistry,
} from "../../test/support/registry.ts";
import { isPlyError, type PlyError } from "../error.ts";
import { type Descriptor, digestOf, MEDIA_TYPE, parseReference } from "../oci/index.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { openRegistry } from "./open-registry.ts";

const SIZE = 3_000_000;
const bytes = randomBytes(SIZE);
const descriptor: Descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(bytes), size: SIZE };

function open(options: Partial<RegistryOptions> = {}): RegistryClient & Disposable {
  return openRegistry({ userAgent: "ply tests", retries: 3, backoffMs: 1, stallTimeoutMs: 300, ...options });
}

async function* source(): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

describe("a download over a bad line", { skip: registryIsMissing }, () => {
  let registry: RegistryFixture;
  before(async () => {
    registry = await startRegistry();
    using client = open();
    await client.pushBlob(parseReference(`${registry.host}/a`), descriptor, source);
  });
  after(() => registry?.stop());

  /** Spoils GETs of blobs as `fault` says, `index` counting only those. */
  async function download(
    fault: (index: number, request: FaultyRequest) => Fault | undefined,
    options: {
      readonly offset?: number;
      readonly client?: Partial<RegistryOptions>;
      readonly blob?: Descriptor;
    } = {},
  ): Promise<{ got: Buffer | PlyError; requests: FaultyRequest[] }> {
    let index = 0;
    await using proxy = await startFaultyProxy(registry.url, (request) =>
      request.method === "GET" && request.path.includes("/blobs/") ? fault(index++, request) : undefined,
    );
    using client = open(options.client);
    const image = parseReference(`${proxy.host}/a`);
    const got = await client
      .openBlob(image, options.blob ?? descriptor, options.offset ?? 0)
      .then(collect)
      .catch((error: unknown) => {
        assert.ok(isPlyError(error), `not a PlyError: ${String(error)}`);
        return error;
      });
    return { got, requests: proxy.requests.filter(({ path }) => path.includes("/blobs/")) };
  }

  const whole = (got: Buffer | PlyError, from = 0): void => {
    if (got instanceof Error) throw got;
    assert.ok(got.equals(bytes.subarray(from)), "other bytes came");
  };
  const failed = (got: Buffer | PlyError, kind: string, message: RegExp): PlyError => {
    assert.ok(isPlyError(got), "it did not fail");
    assert.equal(got.kind, kind, got.message);
    assert.match(got.message, message);
    return got;
  };

  const cuts: [what: string, fault: Fault][] = [
    ["reset", { kind: "reset", afterBytes: 700_000 }],
    ["cut off", { kind: "truncate", afterBytes: 700_000 }],
    ["stalled", { kind: "stall", afterBytes: 700_000 }],
  ];
  for (const [what, fault] of cuts)
    test(`${what} again and again, it goes on from where it was`, async () => {
      const { got, requests } = await download(() => fault);
      whole(got);
      const starts = requests.map(({ headers }) =>
        Number(/^bytes=(\d+)-$/.exec(headers["range"] ?? "bytes=0-")?.[1]),
      );
      assert.equal(starts[0], 0);
      assert.ok(starts.length >= 5, `${starts.length} requests`);
      assert.deepEqual(
        starts,
        [...new Set(starts)].sort((a, b) => a - b),
        "no byte was asked for twice in vain",
      );
    });

  test("a cut before the first byte, and answers that pass", async () => {
    const faults: Fault[] = [
      { kind: "reset", afterBytes: 0 },
      { kind: "answer", status: 503, headers: { "Retry-After": "0" } },
      { kind: "raw", bytes: "not HTTP\r\n\r\n" },
    ];
    whole((await download((index) => faults[index])).got);
  });

  test("a server that ignores the Range sends some bytes twice; they are passed over", async () => {
    const { got } = await download((index) =>
      index === 0 ? { kind: "reset", afterBytes: 1_234_567 } : { kind: "ignore-range" },
    );
    whole(got);
    whole((await download(() => ({ kind: "ignore-range" }), { offset: 2_999_999 })).got, 2_999_999);
  });

  test("gives up after a few tries that bring nothing", async () => {
    const { got, requests } = await download((index) => ({
      kind: "reset",
      afterBytes: index === 0 ? 500_000 : 0,
    }));
    const error = failed(got, "unavailable", /gave up at byte \d+ of 3000000 after 4 tries/);
    assert.ok(Number(error.details["position"]) > 0);
    assert.equal(requests.length, 1 + 4);
  });

  test("a length that is not the descriptor's is told before anything is read", async () => {
    failed(
      (await download(() => ({ kind: "lie", delta: 5 }))).got,
      "corrupt",
      /has 3000005 bytes, not 3000000/,
    );
    failed(
      (await download(() => ({ kind: "lie", delta: -5 }))).got,
      "corrupt",
      /has 2999995 bytes, not 3000000/,
    );
    const short = { ...descriptor, size: SIZE - 1 };
    failed(
      (await download(() => undefined, { blob: short })).got,
      "corrupt",
      /has 3000000 bytes, not 2999999/,
    );
    failed(
      (await download(() => undefined, { blob: short, offset: 10 })).got,
      "corrupt",
      /has 3000000 bytes/,
    );
  });

  test("a range that was not asked for", async () => {
    const headers = { "Content-Range": `bytes 0-99/${SIZE}`, "Content-Type": "application/octet-stream" };
    const { got } = await download(() => ({ kind: "answer", status: 206, headers, body: "x".repeat(100) }), {
      offset: 50,
    });
    failed(got, "corrupt", /asked for the bytes from 50 on, got "bytes 0-99/);
  });

  test("more bytes than there should be, without a length", async () => {
    const server = createServer((request, response) => {
      response.writeHead(200, { "Content-Type": "application/octet-stream" });
      response.end(request.url === "/v2/" ? "{}" : bytes);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    try {
      using client = open();
      const image = parseReference(`127.0.0.1:${address.port}/a`);
      whole(await collect(await client.openBlob(image, descriptor, 0)));
      await assert.rejects(
        client.openBlob(image, { ...descriptor, size: 2_000_000 }, 0).then(collect),
        (error) => isPlyError(error, "corrupt") && /more than the 2000000 bytes/.test(error.message),
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  test("a web page, a blob that is not there, and a refusal", async () => {
    const page: Fault = { kind: "answer", status: 200, body: "<html>captive portal</html>" };
    failed((await download(() => page)).got, "corrupt", /answered with a web page/);
    const gone = { ...descriptor, digest: digestOf("gone") };
    const missing = await download(() => undefined, { blob: gone });
    failed(missing.got, "not-found", /blob unknown/);
    assert.equal(missing.requests.length, 1);
    const huge: Fault = { kind: "answer", status: 403, body: "x".repeat(5_000_000) };
    failed((await download(() => huge)).got, "denied", /403/);
  });

  test("redirects: followed, and not for ever", async () => {
    const { got } = await download((_index, { path }) =>
      path.includes("?")
        ? undefined
        : { kind: "answer", status: 307, headers: { Location: `${path}?moved` } },
    );
    whole(got);
    const round = await download((_index, { path }) => ({
      kind: "answer",
      status: 307,
      headers: { Location: path },
    }));
    failed(round.got, "invalid", /more than 10 redirects/);
    assert.equal(round.requests.length, 11);
  });

  test("a mirror that breaks in the middle is followed by the registry, from the same byte", async () => {
    await using mirror = await startFaultyProxy(registry.url, ({ method, path, headers }) =>
      method === "GET" && path.includes("/blobs/")
        ? { kind: "reset", afterBytes: headers["range"] === undefined ? 1_000_000 : 0 }
        : undefined,
    );
    await using home = await startFaultyProxy(registry.url, () => undefined);
    const failures: string[] = [];
    using client = open({
      rules: [{ prefix: home.host, mirrors: [mirror.host] }],
      onFallback: ({ host }) => failures.push(host),
    });
    whole(await collect(await client.openBlob(parseReference(`${home.host}/a`), descriptor, 0)));
    assert.deepEqual(failures, [mirror.host]);
    const last = home.requests.find(({ path }) => path.includes("/blobs/"));
    assert.match(last?.headers["range"] ?? "", /^bytes=\d{6,}-$/);
  });

  test("a foreign layer comes from its urls when the registry has not got it", async () => {
    await using elsewhere = await startFaultyProxy(registry.url, (request) => {
      assert.equal(request.headers["authorization"], undefined);
      return undefined;
    });
    await using empty = await startRegistry({ htpasswd: { username: "u", password: "p" } });
    using client = open({ credentialsFor: async () => ({ username: "u", password: "p" }) });
    const url = `http://${elsewhere.host}/v2/a/blobs/${descriptor.digest}`;
    const foreign = { ...descriptor, urls: ["file:///etc/passwd", "ftp://x/y", "no url", url] };
    whole(await collect(await client.openBlob(parseReference(`${empty.host}/a`), foreign, 0)));
    assert.equal(elsewhere.requests.length, 1);
  });

  test("a reader that stops ends the connection; one that is slow stops the sender", async () => {
    await using proxy = await startFaultyProxy(registry.url, () => undefined);
    using client = open();
    const image = parseReference(`${proxy.host}/a`);
    let count = 0;
    for await (const chunk of await client.openBlob(image, descriptor, 0)) {
      count += chunk.byteLength;
      break;
    }
    assert.ok(count < SIZE);
    const slow: Uint8Array[] = [];
    for await (const chunk of await client.openBlob(image, descriptor, 0)) {
      // Longer than the stall timeout: it is the reader who waits, not the line.
      if (slow.length === 1) await new Promise((resolve) => setTimeout(resolve, 500));
      slow.push(chunk);
    }
    whole(Buffer.concat(slow));
    assert.equal(proxy.requests.filter(({ path }) => path.includes("/blobs/")).length, 2);
  });

  test("an abort in the middle is a cancellation, not a broken line", async () => {
    const abort = new AbortController();
    await using proxy = await startFaultyProxy(registry.url, ({ path }) =>
      path.includes("/blobs/") ? { kind: "stall", afterBytes: 500_000 } : undefined,
    );
    using client = open({ stallTimeoutMs: 60_000 });
    const image = parseReference(`${proxy.host}/a`);
    const reading = (async () => {
      for await (const _chunk of await client.openBlob(image, descriptor, 0, { signal: abort.signal }))
        abort.abort();
    })();
    await assert.rejects(reading, (error) => isPlyError(error, "cancelled"));
  });

  test("a small blob is verified", async () => {
    const image = parseReference(`${registry.host}/a`);
    using client = open();
    assert.equal(digestOf(await client.fetchBlob(image, descriptor)), descriptor.digest);
    await using proxy = await startFaultyProxy(registry.url, ({ path }) =>
      path.includes("/blobs/") ? { kind: "corrupt", atByte: 1_500_000 } : undefined,
    );
    await assert.rejects(client.fetchBlob(parseReference(`${proxy.host}/a`), descriptor), (error) =>
      isPlyError(error, "corrupt"),
    );
    await assert.rejects(client.fetchBlob(image, { ...descriptor, size: 100_000_000 }), (error) =>
      isPlyError(error, "limit"),
    );
  });
});
