import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import { unless } from "../../test/support/needs.ts";
import { openFirewall } from "./firewall.ts";

const INSIDE = "PLY_TEST_FIREWALL";
const bridge = { device: "br0", internal: false, linked: true, masquerade: true };
const first = { ...bridge, subnets: ["10.1.0.0/24", "fd00::/64"] };
const vault = { ...bridge, device: "br1", internal: true, linked: false, subnets: ["10.2.0.0/24"] };
const target = { containerAddress: "10.1.0.2", containerPort: 80 };
const web = { protocol: "tcp", hostAddress: "0.0.0.0", hostPort: 8080, ...target } as const;
const home = { protocol: "udp", hostAddress: "127.0.0.1", hostPort: 8081, ...target } as const;
const six = { ...web, hostAddress: "::", containerAddress: "fd00::2" } as const;

const nft = (...words: string[]): string => execFileSync("nft", words, { encoding: "utf8" });
/** All rules, each set's elements on one line. */
const shown = (): string => nft("list", "ruleset").replace(/,\s+/g, ", ");
const skip = unless("root", "nft", "unshare");

if (process.env[INSIDE] === undefined)
  test("rules, in a network namespace of their own", { skip }, () => {
    const args = ["--net", process.execPath, "test", "--timeout=30000", import.meta.filename];
    const { status, stdout, stderr } = spawnSync("unshare", args, {
      env: { ...process.env, [INSIDE]: "1" },
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.equal(status, 0, stdout + stderr);
  });
else {
  test("what the books say is in the table, and again after somebody has flushed it", async () => {
    const firewall = openFirewall({ table: "ply-test", onTrouble: (message) => assert.fail(message) });
    await firewall.addBridge(first);
    await firewall.addBridge(vault);
    await firewall.addPorts([web, home, six]);
    const table = shown();
    for (const line of [
      'elements = { "br0", "br1" }',
      'elements = { "br1" }',
      'elements = { "br0" . "br0" }',
      'elements = { "br0" . 10.1.0.0/24, "br1" . 10.2.0.0/24 }',
      'elements = { "br0" . 10.1.0.0/24 }',
      'elements = { "br0" . fd00::/64 }',
      "elements = { tcp . 8080 : 10.1.0.2 . 80 }",
      "elements = { 127.0.0.1 . udp . 8081 : 10.1.0.2 . 80 }",
      "elements = { tcp . 8080 : fd00::2 . 80 }",
    ])
      assert.ok(table.includes(line), `${line}\n${table}`);

    nft("flush", "ruleset");
    await firewall.ensure();
    assert.equal(shown(), table);
    // Rules of others come and go beside ours.
    nft("add", "table", "inet", "others");
    await firewall.ensure();
    nft("delete", "table", "inet", "others");
    await firewall.ensure();
    assert.equal(shown(), table);
    nft("flush", "chain", "inet", "ply-test", "forward");
    await firewall.ensure();
    assert.equal(shown(), table);

    firewall.removePorts([web, home]);
    firewall.removeBridge("br1");
    assert.ok(!shown().includes("8081"));
    assert.ok(!shown().includes("br1"));
    firewall.removePorts([six]);
    firewall.removeBridge("br0");
    await firewall[Symbol.asyncDispose]();
    assert.equal(shown(), "");
  });

  test("beside Docker and a host that drops: ways through, and nothing of ours stays in them", async () => {
    const policy = "{ type filter hook forward priority filter; policy drop; }";
    nft(`add table ip filter; add chain ip filter FORWARD ${policy}; add chain ip filter DOCKER-USER`);
    nft("add rule ip filter DOCKER-USER counter return");
    nft("add table inet mine; add chain inet mine in { type filter hook input priority 0; policy drop; }");
    const before = shown();
    const said: string[] = [];
    const firewall = openFirewall({ table: "ply-test", onTrouble: (message) => said.push(message) });
    await firewall.addBridge(first);
    assert.match(
      said.join("\n"),
      /published TCP ports answer to other hosts only where its input rules let them in/,
    );
    const chain = nft("list", "chain", "ip", "filter", "DOCKER-USER");
    assert.match(
      chain,
      /oifname "br0" accept[\s\S]*iifname "br0" oifname "docker\*" return[\s\S]*iifname "br0" accept/,
    );
    assert.match(nft("list", "table", "inet", "ply-test"), /meta l4proto tcp return/);
    firewall.removeBridge("br0");
    await firewall[Symbol.asyncDispose]();
    assert.equal(shown().replace(/packets \d+ bytes \d+/g, ""), before.replace(/packets \d+ bytes \d+/g, ""));
    nft("flush", "ruleset");
  });
}
