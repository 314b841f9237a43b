import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCidr } from "./address.ts";
import type { CreateNetworkOptions, Network } from "./networks.ts";
import { planNetwork } from "./new-network.ts";

const pools = { 4: "172.30.0.0/16", 6: "fd12:3456:789a::/64" };
const plan = (options: Partial<CreateNetworkOptions>, networks: readonly Network[] = []) =>
  planNetwork(
    { name: "lab", ...options },
    { networks, choosePool: (family) => parseCidr(pools[family]) },
    1000,
  );

test("a bridge by default, on a subnet of the pools; IPv6 on a subnet of the engine's own", () => {
  const network = plan({ ipv6: true, labels: { of: "test" } });
  assert.deepEqual(
    { ...network, id: "" },
    {
      ...{ id: "", name: "lab", driver: "bridge", createdAt: 1000, ipv4: true, ipv6: true },
      ...{ internal: false, attachable: false, builtin: false, labels: { of: "test" }, options: {} },
      subnets: [
        { subnet: "172.30.0.0/16", gateway: "172.30.0.1", range: null, reserved: {}, automatic: true },
        { subnet: pools[6], gateway: "fd12:3456:789a::1", range: null, reserved: {}, automatic: true },
      ],
      device: `br-${network.id.slice(0, 12)}`,
      ...{ ipamDriver: "default", ipamOptions: {} },
    },
  );
  assert.match(network.id, /^[0-9a-f]{64}$/);
});

test("what the user asks for is taken as it is", () => {
  const { subnets, device, ipv6 } = plan({
    subnets: [
      { subnet: "fd00:1::/64", gateway: "fd00:1::99" },
      { subnet: "10.5.0.0/16", range: "10.5.7.0/24", gateway: "10.5.0.254", reserved: { a: "10.5.0.9" } },
    ],
    options: { "com.docker.network.bridge.name": "br-mine" },
  });
  assert.deepEqual(
    subnets.map(({ subnet, gateway, range }) => [subnet, gateway, range]),
    [
      ["10.5.0.0/16", "10.5.0.254", "10.5.7.0/24"],
      ["fd00:1::/64", "fd00:1::99", null],
    ],
  );
  assert.deepEqual([device, ipv6], ["br-mine", true]);
});

test("what cannot be is refused in Docker's words", () => {
  const [known] = [plan({ name: "known", subnets: [{ subnet: "10.5.0.0/16" }] })];
  const refused: [Partial<CreateNetworkOptions>, string, RegExp][] = [
    [{ name: "bridge" }, "denied", /operation is not permitted on predefined bridge network/],
    [{ name: "known" }, "conflict", /network with name known already exists/],
    [{ name: "a b" }, "invalid", /invalid network name/],
    [{ driver: "overlay9" }, "not-found", /plugin "overlay9" not found/],
    [{ driver: "host" }, "denied", /only one instance of "host" network is allowed/],
    [
      { subnets: [{ subnet: "10.5.3.0/24" }] },
      "conflict",
      /Pool overlaps with other one on this address space/,
    ],
    [
      { subnets: [{ subnet: "10.6.0.5/24" }] },
      "invalid",
      /invalid subnet 10\.6\.0\.5\/24: it should be 10\.6\.0\.0\/24/,
    ],
    [
      { subnets: [{ subnet: "10.6.0.0/24", gateway: "10.7.0.1" }] },
      "invalid",
      /no matching subnet for gateway/,
    ],
    [
      { subnets: [{ subnet: "10.6.0.0/24", range: "10.7.0.0/28" }] },
      "invalid",
      /no matching subnet for range/,
    ],
    [{ subnets: [{ subnet: "nonsense" }] }, "invalid", /invalid subnet nonsense/],
    [{ options: { "com.docker.network.driver.mtu": "12" } }, "invalid", /invalid MTU: 12/],
    [{ options: { "com.docker.network.bridge.enable_icc": "maybe" } }, "invalid", /enable_icc/],
    [
      { driver: "macvlan", options: { macvlan_mode: "odd" } },
      "invalid",
      /requested macvlan mode 'odd' is not valid/,
    ],
    [{ options: { "com.docker.network.bridge.name": "a-name-that-is-too-long" } }, "invalid", /device name/],
  ];
  for (const [options, kind, message] of refused)
    assert.throws(
      () => plan(options, [known]),
      (error: Error & { kind?: string }) => {
        assert.equal(error.kind, kind, error.message);
        assert.match(error.message, message);
        return true;
      },
    );
});
