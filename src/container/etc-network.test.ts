import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Endpoint } from "../network/index.ts";
import {
  attachedResolvConf,
  hostResolvConf,
  linkedHostsLines,
  ownHostsLines,
  updateEtcFiles,
} from "./etc-network.ts";

function endpoint(networkName: string, address: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    id: "e",
    networkId: `id-${networkName}`,
    networkName,
    containerId: "c".repeat(64),
    containerName: "web",
    device: "eth0",
    mac: "",
    ipv4: { address, prefix: 16, gateway: null },
    ipv6: null,
    names: ["web"],
    options: { network: networkName },
    ...more,
  };
}

const HOST = "nameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver fd00::53\nsearch lan\noptions edns0\n";

test("resolv.conf: the name server on networks of users, the host's own servers on the default bridge", () => {
  const bridge = { endpoints: [endpoint("bridge", "172.17.0.2")] };
  const app = { endpoints: [...bridge.endpoints, endpoint("app", "172.18.0.2")] };
  const six = { address: "fd00::2", prefix: 64, gateway: null };
  assert.equal(attachedResolvConf(HOST, {}, bridge), "nameserver 192.0.2.1\nsearch lan\noptions edns0\n");
  assert.equal(
    attachedResolvConf(HOST, {}, { endpoints: [endpoint("bridge", "1.2.3.4", { ipv6: six })] }),
    "nameserver 192.0.2.1\nnameserver fd00::53\nsearch lan\noptions edns0\n",
  );
  assert.equal(
    attachedResolvConf(HOST, {}, app),
    "nameserver 127.0.0.11\nsearch lan\noptions edns0 ndots:0\n",
  );
  assert.equal(
    attachedResolvConf(HOST, { dns: ["9.9.9.9"], dnsSearch: ["x.test"], dnsOptions: ["ndots:2"] }, bridge),
    "nameserver 9.9.9.9\nsearch x.test\noptions ndots:2\n",
  );
  assert.equal(
    attachedResolvConf(HOST, { dns: ["9.9.9.9"], dnsSearch: ["."], dnsOptions: ["ndots:2"] }, app),
    "nameserver 127.0.0.11\noptions ndots:2\n",
  );
  assert.equal(
    attachedResolvConf("nameserver ::1\n", {}, bridge),
    "nameserver 8.8.8.8\nnameserver 8.8.4.4\n",
  );
});

test("hosts: its own addresses, and links of the default bridge", () => {
  const own = endpoint("app", "172.18.0.2", { ipv6: { address: "fd00::2", prefix: 64, gateway: null } });
  const lines = (hostname: string, domainname: string) => ownHostsLines([own], { hostname, domainname });
  assert.deepEqual(lines("box", ""), ["172.18.0.2\tbox\n", "fd00::2\tbox\n"]);
  assert.deepEqual(lines("box", "example.test")[0], "172.18.0.2\tbox.example.test box\n");
  assert.deepEqual(lines("box.example.test", "")[0], "172.18.0.2\tbox.example.test box\n");
  const db = endpoint("bridge", "172.17.0.3", { containerName: "db", containerId: "d".repeat(64) });
  const links = (networkName: string, ...words: string[]) =>
    linkedHostsLines(
      {
        endpoints: [endpoint(networkName, "172.17.0.2", { options: { network: networkName, links: words } })],
      },
      () => [db],
    );
  assert.deepEqual(links("bridge", "db:store", "dddd", "gone"), [
    "172.17.0.3\tstore dddddddddddd db\n",
    "172.17.0.3\tdddd dddddddddddd db\n",
  ]);
  assert.deepEqual(links("app", "db:store"), []);
});

test("files follow the networks of a container that runs, and keep what was edited", () => {
  const dir = mkdtempSync(join(tmpdir(), "ply-etc-"));
  try {
    const read = (name: string) => readFileSync(join(dir, name), "utf8");
    const own = {
      name: { hostname: "box", domainname: "" },
      settings: { dns: ["9.9.9.9"], dnsSearch: ["."], dnsOptions: ["rotate"] },
    };
    const bridge = { endpoints: [endpoint("bridge", "172.17.0.2")] };
    const both = { endpoints: [...bridge.endpoints, endpoint("app", "172.18.0.2")] };
    writeFileSync(join(dir, "hosts"), "127.0.0.1\tlocalhost\n172.17.0.2\tbox\n1.2.3.4\tmine");
    writeFileSync(join(dir, "resolv.conf"), "nameserver 9.9.9.9\noptions rotate\n");
    updateEtcFiles(dir, { before: bridge, after: both }, own);
    assert.equal(read("hosts"), "127.0.0.1\tlocalhost\n172.17.0.2\tbox\n1.2.3.4\tmine\n172.18.0.2\tbox\n");
    assert.equal(read("resolv.conf"), "nameserver 127.0.0.11\noptions rotate ndots:0\n");
    updateEtcFiles(dir, { before: both, after: bridge }, own);
    assert.equal(read("hosts"), "127.0.0.1\tlocalhost\n172.17.0.2\tbox\n1.2.3.4\tmine\n");
    writeFileSync(join(dir, "resolv.conf"), "nameserver 1.1.1.1\n");
    updateEtcFiles(dir, { before: bridge, after: both }, own);
    assert.equal(read("resolv.conf"), "nameserver 1.1.1.1\n");
    writeFileSync(join(dir, "stub"), "nameserver 127.0.0.53\noptions edns0\n");
    assert.equal(hostResolvConf(join(dir, "stub"), join(dir, "resolv.conf")), "nameserver 1.1.1.1\n");
    assert.equal(
      hostResolvConf(join(dir, "stub"), join(dir, "none")),
      "nameserver 127.0.0.53\noptions edns0\n",
    );
    assert.equal(hostResolvConf(join(dir, "none")), "");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
