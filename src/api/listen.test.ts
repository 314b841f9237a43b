import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { createApiServer, listen, parseListenAddress } from "./index.ts";
import { fakeEngine } from "./testing/fake-engine.ts";

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ply-listen-"));
});
after(async () => {
  await rm(dir, { recursive: true, force: true });
});

describe("listen addresses", () => {
  test("unix and tcp, with their defaults", () => {
    assert.deepEqual(parseListenAddress("unix:///run/ply.sock"), { kind: "unix", path: "/run/ply.sock" });
    assert.deepEqual(parseListenAddress("tcp://127.0.0.1:80"), { kind: "tcp", host: "127.0.0.1", port: 80 });
    assert.deepEqual(parseListenAddress("tcp://[::1]:0"), { kind: "tcp", host: "::1", port: 0 });
    assert.deepEqual(parseListenAddress("tcp://"), { kind: "tcp", host: "127.0.0.1", port: 2375 });
  });

  test("what is none is refused", () => {
    for (const text of [
      "",
      "/run/x",
      "unix://x",
      "http://a",
      "tcp://a:b",
      "tcp://a:99999",
      `unix:///${"x".repeat(108)}`,
    ])
      assert.throws(
        () => parseListenAddress(text),
        (error) => isPlyError(error, "invalid"),
        text,
      );
  });
});

describe("listening", () => {
  test("a socket is for its owner and group only, its directory is made, and it goes away", async () => {
    const path = join(dir, "deep", "er", "ply.sock");
    const server = createApiServer({ engine: fakeEngine() });
    const listener = await listen(server, { kind: "unix", path });
    assert.equal(listener.address, `unix://${path}`);
    assert.equal((await stat(path)).mode & 0o777, 0o660);
    await listener[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await assert.rejects(stat(path), { code: "ENOENT" });
  });

  test("a socket in use is left alone, a stale one is replaced, a file is refused", async () => {
    const isConflict = (error: unknown) => isPlyError(error, "conflict");
    const first = createApiServer({ engine: fakeEngine() });
    const second = createApiServer({ engine: fakeEngine() });
    await using _first = first;
    await using _second = second;
    const used = join(dir, "used.sock");
    await listen(first, { kind: "unix", path: used });
    await assert.rejects(listen(second, { kind: "unix", path: used }), isConflict);
    assert.ok((await stat(used)).isSocket());
    const file = join(dir, "file");
    await writeFile(file, "precious");
    await assert.rejects(listen(second, { kind: "unix", path: file }), isConflict);
    const stale = join(dir, "stale.sock");
    await leaveStaleSocket(stale);
    await listen(second, { kind: "unix", path: stale });
  });

  test("several doors at once; a taken port and an open one are refused", async () => {
    const server = createApiServer({ engine: fakeEngine() });
    await using _server = server;
    await listen(server, { kind: "unix", path: join(dir, "a.sock") });
    const { address } = await listen(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
    const found = await fetch(`${address.replace("tcp", "http")}/_ping`);
    assert.equal(await found.text(), "OK");
    const { port } = new URL(address.replace("tcp", "http"));
    await assert.rejects(listen(server, { kind: "tcp", host: "127.0.0.1", port: Number(port) }), (error) =>
      isPlyError(error, "conflict"),
    );
    for (const host of ["0.0.0.0", "::", "192.0.2.1"])
      await assert.rejects(
        listen(server, { kind: "tcp", host, port: 0 }),
        (error) => isPlyError(error, "denied") && error.message.includes("without TLS"),
        host,
      );
  });
});

/** A socket file nobody listens on: its listener lost the name before it closed, so could not take it away. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { link, rename } = await import("node:fs/promises");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.tmp`, resolve));
  await link(`${path}.tmp`, `${path}.kept`);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  await rename(`${path}.kept`, path);
}
