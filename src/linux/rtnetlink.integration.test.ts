import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { unless } from "../../test/support/needs.ts";
import { attribute, decodeAttributes, NETLINK, nested, openNetlink, text, textOf } from "./netlink.ts";
import { createNetworkNamespace } from "./netns.ts";
import * as rtnetlink from "./rtnetlink.ts";

const bytes = (address: string): Buffer => Buffer.from(address.split(".").map(Number));
const ip = (...args: string[]): Record<string, unknown>[] =>
  JSON.parse(execFileSync("ip", ["-json", "-details", ...args], { encoding: "utf8" }));

test("attributes are padded to four bytes, and found again", () => {
  const packed = Buffer.concat([attribute(3, text("eth0")), nested(18, attribute(1, text("veth")))]);
  assert.equal(packed.toString("hex"), "09000300657468300000000010001280" + "0900010076657468" + "00000000");
  const found = decodeAttributes(packed);
  assert.equal(textOf(found.get(3) ?? Buffer.alloc(0)), "eth0");
  assert.equal(textOf(decodeAttributes(found.get(18) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0)), "veth");
  assert.deepEqual([...decodeAttributes(Buffer.from("0400", "hex"))], []);
});

test("devices, addresses and routes are what ip(8) shows", { skip: unless("root", "ip") }, () => {
  using outer = createNetworkNamespace();
  using inner = createNetworkNamespace();
  const mac = Buffer.from("0242ac110002", "hex");
  outer.run(() => {
    using socket = openNetlink(NETLINK.route);
    socket.request([
      rtnetlink.newBridge({ name: "br0", mac: Buffer.from("020000000001", "hex"), mtu: 1400 }),
    ]);
    const [[reply] = []] = socket.request([rtnetlink.getLink("br0")]);
    assert.ok(reply);
    const bridge = rtnetlink.decodeLink(reply);
    assert.deepEqual(
      { ...bridge, index: 0 },
      { index: 0, name: "br0", mac: "02:00:00:00:00:01", kind: "bridge", mtu: 1400, isUp: false, master: 0 },
    );
    socket.request([
      rtnetlink.setLink({ index: bridge.index, up: true }),
      rtnetlink.newAddress({ link: bridge.index, bytes: bytes("10.1.0.1"), prefix: 24 }),
      rtnetlink.newVeth({ name: "out", master: bridge.index }, { name: "eth0", mac, netns: inner.fd }),
    ]);
    const [[out] = []] = socket.request([rtnetlink.getLink("out")]);
    assert.equal(out && rtnetlink.decodeLink(out).master, bridge.index);
    const [addresses = []] = socket.request([rtnetlink.listAddresses()]);
    assert.deepEqual(
      addresses.map(rtnetlink.decodeAddress).map((each) => [...each.bytes, each.prefix]),
      [[10, 1, 0, 1, 24]],
    );
    const [routes = []] = socket.request([rtnetlink.listRoutes()]);
    const subnet = routes.map(rtnetlink.decodeRoute).find((route) => route?.bytes.length === 4);
    assert.deepEqual([...(subnet?.bytes ?? []), subnet?.prefix], [10, 1, 0, 0, 24]);
    assert.throws(() => socket.request([rtnetlink.newBridge({ name: "br0" })]), /add bridge br0: EEXIST/);
  });
  inner.run(() => {
    using socket = openNetlink(NETLINK.route);
    const [[reply] = []] = socket.request([rtnetlink.getLink("eth0")]);
    assert.ok(reply);
    const { index } = rtnetlink.decodeLink(reply);
    socket.request([
      rtnetlink.setLink({ index, up: true }),
      rtnetlink.newAddress({
        link: index,
        bytes: bytes("10.1.0.2"),
        prefix: 24,
        broadcast: bytes("10.1.0.255"),
      }),
      rtnetlink.deleteDefaultRoute(4),
      rtnetlink.newRoute({ destination: null, gateway: bytes("10.1.0.1"), link: index }),
    ]);
    const [link] = ip("link", "show", "eth0");
    assert.equal(link?.["address"], "02:42:ac:11:00:02");
    const [route] = ip("route", "show", "default");
    assert.deepEqual([route?.["gateway"], route?.["dev"]], ["10.1.0.1", "eth0"]);
    socket.request([rtnetlink.deleteDefaultRoute(4), rtnetlink.deleteDefaultRoute(6)]);
    assert.deepEqual(ip("route", "show", "default"), []);
    socket.request([rtnetlink.deleteLink({ index })]);
  });
  outer.run(() => {
    using socket = openNetlink(NETLINK.route);
    assert.deepEqual(socket.request([rtnetlink.getLink("out")]), [[]], "the peer goes with it");
  });
});
