import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressOf,
  bytesOf,
  formatAddress,
  formatCidr,
  holds,
  lastOf,
  overlaps,
  parseAddress,
  parseCidr,
  tryParseAddress,
  tryParseCidr,
} from "./address.ts";

test("addresses are written in one way, however they came", () => {
  const texts = {
    "10.0.0.1": "10.0.0.1",
    "255.255.255.255": "255.255.255.255",
    "FD00:0:0:0:0:0:0:1": "fd00::1",
    "::": "::",
    "::1": "::1",
    "2001:db8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:db8::1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "::ffff:1.2.3.4": "1.2.3.4",
    "64:ff9b::1.2.3.4": "64:ff9b::102:304",
    "fe80::": "fe80::",
  };
  for (const [text, expected] of Object.entries(texts)) {
    const address = parseAddress(text);
    assert.equal(formatAddress(address), expected);
    assert.deepEqual(addressOf(bytesOf(address)), address);
  }
});

test("what is no address is refused with its text", () => {
  for (const text of ["", "1.2.3", "1.2.3.256", "::1%eth0", "g::", "1.2.3.4/8"])
    assert.equal(tryParseAddress(text), undefined, text);
  for (const text of ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "/8", "10.0.0.0/8/8", "10.0.0.0/-1"])
    assert.equal(tryParseCidr(text), undefined, text);
  assert.throws(() => parseAddress("nowhere"), { message: "invalid IP address: nowhere" });
  assert.throws(() => parseCidr("nowhere"), { message: "invalid CIDR address: nowhere" });
});

test("subnets lose their host bits, know their ends, and overlap when one holds the other", () => {
  const subnet = parseCidr("172.17.5.9/16");
  assert.equal(formatCidr(subnet), "172.17.0.0/16");
  assert.equal(formatAddress({ family: 4, value: lastOf(subnet) }), "172.17.255.255");
  assert.ok(holds(subnet, parseAddress("172.17.255.255")));
  assert.ok(!holds(subnet, parseAddress("172.18.0.0")));
  assert.ok(!holds(parseCidr("::/0"), parseAddress("10.0.0.1")));
  assert.ok(overlaps(subnet, parseCidr("172.17.128.0/20")));
  assert.ok(overlaps(parseCidr("0.0.0.0/0"), subnet));
  assert.ok(!overlaps(subnet, parseCidr("172.18.0.0/16")));
});
