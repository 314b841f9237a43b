import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openHostServers, parseResolvConf } from "./resolv-conf.ts";

test("resolv.conf: what is in it, in order; what is not understood is passed over", () => {
  const text = `# made by hand
nameserver 192.0.2.1 # first
  nameserver\tfe80::1%eth0
nameserver nonsense
domain a.test
search b.test c.test
options ndots:2 edns0
options rotate
sortlist 10.0.0.0
`;
  assert.deepEqual(parseResolvConf(text), {
    servers: ["192.0.2.1", "fe80::1%eth0"],
    search: ["b.test", "c.test"],
    options: ["ndots:2", "edns0", "rotate"],
  });
  assert.deepEqual(parseResolvConf(""), { servers: [], search: [], options: [] });
});

test("the host's servers are those of now", () => {
  const folder = mkdtempSync(join(tmpdir(), "ply-resolv-"));
  try {
    const path = join(folder, "resolv.conf");
    const servers = openHostServers(path);
    assert.deepEqual(servers(), []);
    writeFileSync(path, "nameserver 192.0.2.1\n");
    assert.deepEqual(servers(), ["192.0.2.1"]);
    writeFileSync(`${path}.new`, "nameserver 192.0.2.2\n");
    renameSync(`${path}.new`, path);
    assert.deepEqual(servers(), ["192.0.2.2"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
