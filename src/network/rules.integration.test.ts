import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { unless } from "../../test/support/needs.ts";
import { createNetworkNamespace } from "../linux/index.ts";
import { openFirewall } from "./firewall.ts";

const bridge = {
  device: "br0",
  internal: false,
  linked: true,
  masquerade: true,
  subnets: ["10.1.0.0/24", "fd00::/64"],
};
const vault = { ...bridge, device: "br1", internal: true, linked: false, subnets: ["10.2.0.0/24"] };
const web = {
  protocol: "tcp",
  hostAddress: "0.0.0.0",
  hostPort: 8080,
  containerAddress: "10.1.0.2",
  containerPort: 80,
} as const;
const home = { ...web, hostAddress: "127.0.0.1", hostPort: 8081, protocol: "udp" } as const;
const six = { ...web, hostAddress: "::", containerAddress: "fd00::2" } as const;

/** The table as nft shows it, each set's elements on one line. */
function shown(run: <T>(work: () => T) => T): string {
  const text = run(() => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }));
  return text.replace(/,\s+/g, ", ");
}

test("what the books say is in the table, and again after somebody has flushed it", {
  skip: unless("root", "nft"),
}, async () => {
  using netns = createNetworkNamespace();
  // A socket stays where it was opened, nft where it was started.
  const firewall = netns.run(() =>
    openFirewall({ table: "ply-test", onTrouble: (message) => assert.fail(message) }),
  );
  await netns.run(() => firewall.addBridge(bridge));
  await netns.run(() => firewall.addBridge(vault));
  await netns.run(() => firewall.addPorts([web, home, six]));
  const table = shown(netns.run);
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

  netns.run(() => execFileSync("nft", ["flush", "ruleset"]));
  await netns.run(() => firewall.ensure());
  assert.equal(shown(netns.run), table);
  // Rules of others come and go beside ours.
  netns.run(() => execFileSync("nft", ["add", "table", "inet", "others"]));
  await netns.run(() => firewall.ensure());
  netns.run(() => execFileSync("nft", ["delete", "table", "inet", "others"]));
  await netns.run(() => firewall.ensure());
  assert.equal(shown(netns.run), table);
  netns.run(() => execFileSync("nft", ["flush", "chain", "inet", "ply-test", "forward"]));
  await netns.run(() => firewall.ensure());
  assert.equal(shown(netns.run), table);

  firewall.removePorts([web, home]);
  firewall.removeBridge("br1");
  assert.ok(!shown(netns.run).includes("8081"));
  assert.ok(!shown(netns.run).includes("br1"));
  firewall.removePorts([six]);
  firewall.removeBridge("br0");
  await netns.run(() => firewall[Symbol.asyncDispose]());
  assert.equal(shown(netns.run), "");
});
