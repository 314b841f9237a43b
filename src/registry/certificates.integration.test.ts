import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { isPlyError } from "../error.ts";
import { openRegistry } from "./open-registry.ts";

const run = promisify(execFile);

describe("certs.d", () => {
  let dir = "";
  const at = (...parts: string[]): string => join(dir, ...parts);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "ply-certs-"));
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    await run("openssl", [
      "req",
      "-x509",
      ...ec,
      "-subj",
      "/CN=CA",
      "-keyout",
      at("ca.key"),
      "-out",
      at("ca.pem"),
    ]);
    for (const name of ["server", "client"])
      await run("openssl", [
        ...["req", "-x509", ...ec, "-subj", `/CN=${name}`, "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
        ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
        ...["-keyout", at(`${name}.key`), "-out", at(`${name}.pem`)],
      ]);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  /** Starts a registry that asks for a client certificate, and asks it for its catalog with these files. */
  async function ask(files: Readonly<Record<string, string>>): Promise<string[]> {
    const server = createServer(
      {
        cert: await readFile(at("server.pem")),
        key: await readFile(at("server.key")),
        ca: await readFile(at("ca.pem")),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        const { authorized } = request.socket as TLSSocket;
        response.writeHead(authorized ? 200 : 403, { "Content-Type": "application/json" });
        response.end(JSON.stringify({ repositories: ["seen"] }));
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const host = `127.0.0.1:${address.port}`;
    const certsDir = await mkdtemp(at("certs-"));
    await mkdir(join(certsDir, host));
    for (const [name, from] of Object.entries(files))
      if (from.startsWith("-")) await writeFile(join(certsDir, host, name), from);
      else await copyFile(at(from), join(certsDir, host, name));
    try {
      using client = openRegistry({ userAgent: "ply tests", retries: 0, certsDirs: [at("none"), certsDir] });
      return await client.catalog(host);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }

  const refused = async (files: Readonly<Record<string, string>>, message: RegExp): Promise<void> => {
    await assert.rejects(ask(files), (error) => isPlyError(error) && message.test(error.message));
  };

  test("a client certificate opens the door", async () => {
    assert.deepEqual(await ask({ "ca.crt": "ca.pem", "me.cert": "client.pem", "me.key": "client.key" }), [
      "seen",
    ]);
    await refused({ "ca.crt": "ca.pem" }, /403/);
  });

  test("what is missing or no certificate is named", async () => {
    await refused(
      { "ca.crt": "ca.pem", "me.cert": "client.pem" },
      /missing key .*me\.key for client certificate/,
    );
    await refused(
      { "ca.crt": "ca.pem", "me.key": "client.key" },
      /missing client certificate .*me\.cert for key/,
    );
    await refused({ "ca.crt": "-no pem" }, /ca\.crt is not a PEM file/);
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    await refused({ "ca.crt": "ca.pem", "me.cert": broken, "me.key": "client.key" }, /are not usable/);
  });
});
