import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, formatCidr, holds, overlaps, parseAddress, parseCidr } from "./address.ts";
import { chooseAddress } from "./ipam.ts";
import type { Network, Subnet } from "./networks.ts";
import { choosePool, ulaPrefix } from "./pool.ts";

function networkOf(subnet: string, more: Partial<Subnet> = {}): Pick<Network, "name" | "subnets"> {
  const { family, base } = parseCidr(subnet);
  const gateway = formatAddress({ family, value: base + 1n });
  return {
    name: "lab",
    subnets: [{ subnet, gateway, range: null, reserved: {}, automatic: false, ...more }],
  };
}

const take = (
  network: Pick<Network, "name" | "subnets">,
  family: 4 | 6,
  inUse: Set<string>,
  wanted?: string,
) => {
  const found = chooseAddress(network, family, wanted, inUse);
  return found === undefined ? undefined : formatAddress(found.address);
};

test("every address of a subnet is given once: not the gateway's, not the reserved ones, not its ends", () => {
  for (const prefix of [24, 27, 29, 30, 31]) {
    const network = networkOf(`10.1.2.0/${prefix}`, prefix < 30 ? { reserved: { printer: "10.1.2.3" } } : {});
    const inUse = new Set<string>();
    const count = 2 ** (32 - prefix) - (prefix < 31 ? 3 : 1) - (prefix < 30 ? 1 : 0);
    for (let at = 0; at < count; at++) {
      const address = take(network, 4, inUse);
      assert.ok(address !== undefined && !inUse.has(address));
      assert.ok(!["10.1.2.1", "10.1.2.3"].includes(address) || prefix >= 30);
      assert.ok(holds(parseCidr(`10.1.2.0/${prefix}`), parseAddress(address)));
      inUse.add(address);
    }
    assert.throws(() => take(network, 4, inUse), { kind: "unavailable" });
  }
});

test("random takings and returns never give one address to two", () => {
  const network = networkOf("10.9.0.0/26");
  const inUse = new Set<string>();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  for (let step = 0; step < 2000; step++) {
    if (inUse.size > 0 && (inUse.size === 61 || random(2) === 0)) {
      inUse.delete([...inUse][random(inUse.size)] ?? "");
      continue;
    }
    const address = take(network, 4, inUse);
    assert.ok(address !== undefined && !inUse.has(address));
    inUse.add(address);
  }
});

test("a range bounds what is given by itself, not what is asked for", () => {
  const network = networkOf("10.0.0.0/16", { range: "10.0.5.0/30" });
  assert.equal(take(network, 4, new Set()), "10.0.5.0");
  assert.equal(take(network, 4, new Set(), "10.0.9.9"), "10.0.9.9");
  assert.throws(() => take(network, 4, new Set(["10.0.9.9"]), "10.0.9.9"), {
    message: "Address already in use",
  });
  assert.throws(() => take(network, 4, new Set(), "10.1.0.9"), {
    message: "no configured subnet contains IP address 10.1.0.9",
  });
  assert.throws(() => take(network, 4, new Set(), "10.0.0.1"), { message: "Address already in use" });
  assert.equal(take(network, 6, new Set()), undefined);
  assert.equal(take(networkOf("fd00:1::/64"), 6, new Set()), "fd00:1::2");
});

test("pools: Docker's, each subnet once, none that the host has", () => {
  const taken = ["172.17.0.0/16", "172.19.5.0/24", "10.0.0.0/8"].map(parseCidr);
  const subnets: string[] = [];
  for (;;) {
    let subnet: ReturnType<typeof choosePool>;
    try {
      subnet = choosePool(4, taken, "engine");
    } catch (error) {
      assert.match(String(error), /could not find an available, non-overlapping IPv4 address pool/);
      break;
    }
    assert.ok(!taken.some((other) => overlaps(other, subnet)));
    taken.push(subnet);
    subnets.push(formatCidr(subnet));
  }
  assert.deepEqual([subnets[0], subnets[1], subnets.length], ["172.18.0.0/16", "172.20.0.0/16", 13 + 16]);
  assert.equal(formatCidr(ulaPrefix("engine")), formatCidr(ulaPrefix("engine")));
  assert.notEqual(formatCidr(ulaPrefix("engine")), formatCidr(ulaPrefix("other")));
  assert.match(formatCidr(choosePool(6, [], "engine")), /^fd.*::\/64$/);
});
