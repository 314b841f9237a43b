import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { openRegistry } from "./open-registry.ts";

const run = promisify(execFile);
const catalog = JSON.stringify({ repositories: ["seen"] });

describe("registries behind a proxy", () => {
  let dir = "";
  let proxy: Server;
  const seen: string[] = [];
  const closing: Server[] = [];

  const listening = async (server: Server): Promise<number> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing.push(server);
    return (server.address() as AddressInfo).port;
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "ply-proxy-"));
    await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=registry.test", "-addext", "subjectAltName=DNS:registry.test"],
      ...["-keyout", join(dir, "key"), "-out", join(dir, "ca.crt")],
    ]);
    const cert = await readFile(join(dir, "ca.crt"));
    const secure = await listening(
      createTlsServer({ cert, key: await readFile(join(dir, "key")) }, (_, response) =>
        response.writeHead(200, { "Content-Type": "application/json" }).end(catalog),
      ),
    );
    const plain = await listening(
      createServer((_, response) =>
        response.writeHead(200, { "Content-Type": "application/json" }).end(catalog),
      ),
    );
    // Whatever name is asked for, the registries here answer.
    proxy = createServer((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers["proxy-authorization"]}`);
      const { pathname } = new URL(incoming.url ?? "");
      request({ host: "127.0.0.1", port: plain, path: pathname }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      }).end();
    });
    proxy.on("connect", (incoming, socket, head) => {
      seen.push(`CONNECT ${incoming.url} ${incoming.headers["proxy-authorization"]}`);
      if (incoming.url === "plain.test:5000") {
        socket.end("HTTP/1.1 502 Nothing there\r\n\r\n");
        return;
      }
      const upstream = connect(secure, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.write(head);
        upstream.pipe(socket);
        socket.pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    await listening(proxy);
  });
  after(async () => {
    for (const server of closing) {
      server.close();
      server.closeAllConnections();
    }
    await rm(dir, { recursive: true, force: true });
  });

  test("are reached through it, by a tunnel where they speak TLS, with the proxy's own credentials", async () => {
    const url = `http://me:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const certsDirs = [join(dir, "certs.d")];
    await run("sh", [
      "-c",
      `mkdir -p ${dir}/certs.d/registry.test:5443 && cp ${dir}/ca.crt ${dir}/certs.d/registry.test:5443/`,
    ]);
    using registry = openRegistry({
      userAgent: "test",
      certsDirs,
      retries: 0,
      env: { HTTPS_PROXY: url, HTTP_PROXY: url },
      rules: [{ prefix: "plain.test:5000", insecure: true }],
    });
    assert.deepEqual(await registry.catalog("registry.test:5443"), ["seen"]);
    const credentials = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    assert.ok(
      seen.length > 0 && seen.every((line) => line === `CONNECT registry.test:5443 ${credentials}`),
      seen.join(),
    );
    seen.length = 0;
    assert.deepEqual(await registry.catalog("plain.test:5000"), ["seen"]);
    assert.ok(
      seen.some((line) => line.startsWith("GET http://plain.test:5000/v2/") && line.endsWith(credentials)),
      seen.join(),
    );
  });
});
