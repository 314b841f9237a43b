import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ExitError, UsageError } from "../failure.ts";
import { formatPorts } from "./ports-column.ts";
import { publishAddress } from "./publish-address.ts";
import { parsePublish, portFlags } from "./publish-flag.ts";

const published = (word: string) =>
  parsePublish(word).map(({ port, binding: { HostIp, HostPort } }) => `${HostIp}|${HostPort}|${port}`);

test("-p in all its forms", () => {
  const cases: Readonly<Record<string, string[]>> = {
    "80": ["||80/tcp"],
    "80/udp": ["||80/udp"],
    "8080:80": ["|8080|80/tcp"],
    "0:80": ["||80/tcp"],
    ":80": ["||80/tcp"],
    "8080:80/SCTP": ["|8080|80/sctp"],
    "127.0.0.1:8080:80": ["127.0.0.1|8080|80/tcp"],
    "127.0.0.1::80": ["127.0.0.1||80/tcp"],
    "[::1]:8080:80": ["::1|8080|80/tcp"],
    "[::]::53/udp": ["::||53/udp"],
    "8000-8010:80": ["|8000-8010|80/tcp"],
    "8000-8002:80-82": ["|8000|80/tcp", "|8001|81/tcp", "|8002|82/tcp"],
    "80-81": ["||80/tcp", "||81/tcp"],
    "published=8080,target=80,protocol=udp": ["|8080|80/udp"],
    "target=80": ["||80/tcp"],
  };
  for (const [word, wanted] of Object.entries(cases)) assert.deepEqual(published(word), wanted, word);
});

test("-p: what cannot be is refused", () => {
  const words = ["", "http", "80/icmp", "8080:", "1:2:3", "256.0.0.1:1:1", "[::1]:80", "[1.2.3.4]:80:80"];
  for (const word of [...words, "70000:80", "0-5:80", "82-80", "8000-8001:80-82", "a=b", "80:80:80:80"])
    assert.throws(() => parsePublish(word), UsageError, word);
});

test("ports without an address are for this host alone, unless the user has it otherwise", () => {
  const flags = { publish: ["8080:80", "0.0.0.0:443:443", "81:80"], expose: ["9000-9001", "53/udp"] };
  assert.deepEqual(
    portFlags(flags, () => "127.0.0.1"),
    {
      ExposedPorts: { "80/tcp": {}, "443/tcp": {}, "9000/tcp": {}, "9001/tcp": {}, "53/udp": {} },
      PortBindings: {
        "80/tcp": [
          { HostIp: "127.0.0.1", HostPort: "8080" },
          { HostIp: "127.0.0.1", HostPort: "81" },
        ],
        "443/tcp": [{ HostIp: "0.0.0.0", HostPort: "443" }],
      },
    },
  );
  const neverAsked = (): string => assert.fail("no address was needed");
  assert.deepEqual(portFlags({ publish: [], expose: [] }, neverAsked), {});
  portFlags({ publish: ["[::]:1:1"], expose: [] }, neverAsked);
  for (const word of ["8080:80", "80/icmp", "x", "0", "90-80"])
    assert.throws(() => portFlags({ publish: [], expose: [word] }, neverAsked), UsageError, word);
});

test("the address of published ports: from the environment, a file, or the safe one", () => {
  const folder = mkdtempSync(join(tmpdir(), "ply-cli-"));
  try {
    const file = join(folder, "cli.json");
    assert.equal(publishAddress({}, file), "127.0.0.1");
    writeFileSync(file, '{ "publishAddress": "10.0.0.1" }');
    assert.equal(publishAddress({}, file), "10.0.0.1");
    assert.equal(publishAddress({ PLY_PUBLISH_ADDRESS: "::1" }, file), "::1");
    assert.equal(publishAddress({ PLY_PUBLISH_ADDRESS: "all" }, file), "");
    assert.throws(() => publishAddress({ PLY_PUBLISH_ADDRESS: "everywhere" }, file), ExitError);
    writeFileSync(file, "publishAddress = all");
    assert.throws(() => publishAddress({}, file), ExitError);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ports in a list: those that follow each other are one", () => {
  const port = (IP: string, PublicPort: number, PrivatePort: number, Type = "tcp") => ({
    IP,
    PublicPort,
    PrivatePort,
    Type,
  });
  assert.equal(formatPorts([]), "");
  assert.equal(formatPorts(null), "");
  assert.equal(
    formatPorts([
      port("0.0.0.0", 8002, 82),
      port("0.0.0.0", 8000, 80),
      port("::", 8000, 80),
      port("0.0.0.0", 8001, 81),
      port("0.0.0.0", 53, 53, "udp"),
      port("0.0.0.0", 9000, 83),
      { PrivatePort: 7001, Type: "tcp" },
      { PrivatePort: 7000, Type: "tcp" },
    ]),
    "0.0.0.0:8000-8002->80-82/tcp, 0.0.0.0:9000->83/tcp, 0.0.0.0:53->53/udp, [::]:8000->80/tcp, 7000-7001/tcp",
  );
});
