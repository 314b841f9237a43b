import assert from "node:assert/strict";
import { test } from "node:test";
import { createNames, type Membership } from "./names.ts";
import { reverseName } from "./reverse-name.ts";

function on(network: string, address: string, names: string[], more: Partial<Membership> = {}): Membership {
  return {
    networkId: `id-${network}`,
    networkName: network,
    names,
    addresses: [address],
    links: [],
    isExternal: true,
    ...more,
  };
}

test("a container knows the names on its own networks, the first network's first", () => {
  const names = createNames();
  names.set("a", [on("one", "10.1.0.1", ["a"]), on("two", "10.2.0.1", ["a"])]);
  names.set("b", [on("one", "10.1.0.2", ["b", "Shared"])]);
  names.set("c", [on("two", "10.2.0.3", ["c", "shared"])]);
  names.set("d", [on("three", "10.3.0.4", ["d"])]);
  assert.deepEqual(names.addressesOf("a", "SHARED."), ["10.1.0.2"]);
  assert.deepEqual(names.addressesOf("a", "shared.two"), ["10.2.0.3"]);
  assert.deepEqual(names.addressesOf("b", "shared"), ["10.1.0.2"]);
  assert.equal(names.addressesOf("b", "c"), undefined);
  assert.equal(names.addressesOf("a", "d"), undefined);
  assert.equal(names.addressesOf("nobody", "a"), undefined);
  assert.equal(names.nameOf("a", reverseName("10.2.0.3")), "c.two");
  assert.equal(names.nameOf("b", reverseName("10.2.0.3")), undefined);
});

test("a name goes with its last container", () => {
  const names = createNames();
  names.set("a", [on("n", "10.0.0.1", ["a", "web"])]);
  names.set("b", [on("n", "10.0.0.2", ["b", "web"])]);
  assert.deepEqual(names.addressesOf("a", "web"), ["10.0.0.1", "10.0.0.2"]);
  names.set("b", [on("n", "10.0.0.3", ["b", "web"])]);
  assert.deepEqual(names.addressesOf("a", "web"), ["10.0.0.1", "10.0.0.3"]);
  names.delete("a");
  assert.deepEqual(names.addressesOf("b", "web"), ["10.0.0.3"]);
  names.set("b", []);
  names.set("c", [on("n", "10.0.0.9", ["c"])]);
  assert.equal(names.addressesOf("c", "web"), undefined);
});

test("an alias of its own wins over a name of the network", () => {
  const names = createNames();
  names.set("db", [on("n", "10.0.0.1", ["db"])]);
  names.set("other", [on("n", "10.0.0.2", ["store"])]);
  names.set("a", [on("n", "10.0.0.3", ["a"], { links: ["db:store", "other"] })]);
  assert.deepEqual(names.addressesOf("a", "store"), ["10.0.0.1"]);
  assert.deepEqual(names.addressesOf("db", "store"), ["10.0.0.2"]);
});

test("something leaves a container that is on one network with a way out", () => {
  const names = createNames();
  names.set("a", [on("in", "10.0.0.1", ["a"], { isExternal: false }), on("out", "10.1.0.1", ["a"])]);
  names.set("b", [on("in", "10.0.0.2", ["b"], { isExternal: false })]);
  assert.deepEqual(
    [names.isExternal("a"), names.isExternal("b"), names.isExternal("c")],
    [true, false, false],
  );
});

test("reverse names", () => {
  assert.equal(reverseName("192.0.2.7"), "7.2.0.192.in-addr.arpa");
  assert.equal(
    reverseName("2001:db8::567:89AB"),
    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
  );
  assert.equal(reverseName("::"), `${"0.".repeat(32)}ip6.arpa`);
  assert.equal(reverseName("fd00::"), `${"0.".repeat(29)}0.d.f.ip6.arpa`);
});
