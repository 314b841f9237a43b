import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { viewEndpointRequest } from "./endpoint-request.ts";
import { networkWarnings, parseNetworkCreate, parseNetworking } from "./network-request.ts";

const invalid = (error: unknown) => isPlyError(error, "invalid");

test("a network as docker's client and compose ask for it", () => {
  assert.deepEqual(
    parseNetworkCreate({
      Name: "n",
      CheckDuplicate: true,
      Driver: "bridge",
      IPAM: { Config: null },
      Options: null,
    }),
    {
      name: "n",
      driver: "bridge",
      ipv6: false,
      internal: false,
      attachable: false,
      subnets: [],
      options: {},
      labels: {},
      ipamOptions: {},
    },
  );
  const full = parseNetworkCreate({
    Name: "n",
    EnableIPv4: false,
    EnableIPv6: true,
    Internal: true,
    Attachable: true,
    IPAM: {
      Driver: "default",
      Options: { a: "b" },
      Config: [
        {
          Subnet: "fd00::/64",
          Gateway: "fd00::1",
          IPRange: "fd00::100/120",
          AuxiliaryAddresses: { printer: "fd00::7" },
        },
      ],
    },
    Options: { "com.docker.network.bridge.name": "mine" },
    Labels: { x: "y" },
  });
  assert.deepEqual(
    [full.ipv4, full.ipv6, full.internal, full.attachable, full.ipamDriver, full.ipamOptions],
    [false, true, true, true, "default", { a: "b" }],
  );
  assert.deepEqual(full.subnets, [
    { subnet: "fd00::/64", gateway: "fd00::1", range: "fd00::100/120", reserved: { printer: "fd00::7" } },
  ]);
});

test("a network that is a cluster's, or none, is refused", () => {
  const kindOf = (body: object) => {
    try {
      parseNetworkCreate({ Name: "n", ...body });
      return "none";
    } catch (error) {
      return isPlyError(error) ? error.kind : "other";
    }
  };
  assert.deepEqual(
    [{ Ingress: true }, { Driver: "overlay" }, { Scope: "swarm" }, { Scope: "local" }].map(kindOf),
    ["unavailable", "unavailable", "unavailable", "none"],
  );
  const config = parseNetworkCreate({ Name: "n", ConfigOnly: true, ConfigFrom: { Network: "x" } });
  assert.deepEqual([config.configOnly, config.configFrom], [true, "x"]);
  assert.deepEqual([{ Name: "" }, { IPAM: [] }, { Labels: { a: 1 } }].map(kindOf), [
    "invalid",
    "invalid",
    "invalid",
  ]);
});

const networking = (body: Record<string, unknown>, hostConfig: Record<string, unknown> = {}) =>
  parseNetworking(body, hostConfig);

test("a container's networks: the mode's, those that are given, none", () => {
  assert.deepEqual(networking({}), { networkMode: "bridge", networks: [{ network: "bridge" }] });
  assert.deepEqual(networking({}, { NetworkMode: "default", PublishAllPorts: true }), {
    networkMode: "bridge",
    networks: [{ network: "bridge" }],
    publishAllPorts: true,
  });
  for (const mode of ["host", "none", "container:x"])
    assert.deepEqual(networking({}, { NetworkMode: mode }), { networkMode: mode, networks: [] });
  assert.equal(networking({ NetworkDisabled: true }).networkMode, "none");
  const endpoint = {
    IPAMConfig: { IPv4Address: "10.0.0.9", IPv6Address: "fd00::9", LinkLocalIPs: ["169.254.3.4"] },
    Aliases: ["web"],
    Links: ["db:store"],
    MacAddress: "02-42-AC-11-00-02",
    DriverOpts: { a: "b" },
    GwPriority: 5,
  };
  const { networks } = networking(
    { NetworkingConfig: { EndpointsConfig: { one: endpoint, two: null } } },
    { NetworkMode: "one", Links: ["x"] },
  );
  assert.deepEqual(networks, [
    {
      network: "one",
      aliases: ["web"],
      links: ["db:store", "x"],
      ipv4: "10.0.0.9",
      ipv6: "fd00::9",
      linkLocal: ["169.254.3.4"],
      mac: "02:42:ac:11:00:02",
      driverOptions: { a: "b" },
      gatewayPriority: 5,
    },
    { network: "two" },
  ]);
  assert.deepEqual(viewEndpointRequest(networks?.[0] ?? { network: "" }), {
    ...endpoint,
    Links: ["db:store", "x"],
    MacAddress: "02:42:ac:11:00:02",
  });
});

test("the address of old: of the whole container, for its first network", () => {
  const mac = "02:42:ac:11:00:99";
  assert.deepEqual(networking({ MacAddress: mac }).networks, [{ network: "bridge", mac }]);
  assert.deepEqual(
    networking(
      { MacAddress: mac, NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } },
      { NetworkMode: "b" },
    ).networks,
    [{ network: "a" }, { network: "b", mac }],
  );
});

test("what cannot be is refused", () => {
  const given = (settings: object) => ({ NetworkingConfig: { EndpointsConfig: { n: settings } } });
  for (const settings of [
    { IPAMConfig: { IPv4Address: "fd00::1" } },
    { IPAMConfig: { IPv6Address: "1.2.3.4" } },
    { IPAMConfig: { LinkLocalIPs: ["x"] } },
    { MacAddress: "02:42" },
    { MacAddress: "02:42-ac:11:00:02" },
    { Aliases: "web" },
  ])
    assert.throws(() => networking(given(settings), { NetworkMode: "n" }), invalid, JSON.stringify(settings));
  assert.throws(() => networking({}, { NetworkMode: "host", Links: ["a"] }), invalid);
  assert.throws(() => networking({ MacAddress: "02:42:ac:11:00:02" }, { NetworkMode: "host" }), invalid);
  assert.throws(() => networking({ MacAddress: "no" }), invalid);
  const shared = (body: Record<string, unknown>, hostConfig: Record<string, unknown> = {}) =>
    networking(body, { NetworkMode: "container:x", ...hostConfig });
  for (const body of [
    { Hostname: "h" },
    { MacAddress: "02:42:ac:11:00:02" },
    { ExposedPorts: { "80/tcp": {} } },
  ])
    assert.throws(() => shared(body), invalid, JSON.stringify(body));
  for (const hostConfig of [
    { Links: ["a"] },
    { Dns: ["1.1.1.1"] },
    { ExtraHosts: ["a:1.1.1.1"] },
    { PublishAllPorts: true },
    { PortBindings: { "80/tcp": [{}] } },
  ])
    assert.throws(() => shared({}, hostConfig), invalid, JSON.stringify(hostConfig));
  assert.equal(shared({ Hostname: "" }, { Dns: [], PortBindings: {} }).networkMode, "container:x");
  const onHost = networking({}, { NetworkMode: "host", PortBindings: { "80/tcp": [{}] } });
  assert.equal(networkWarnings(onHost).length, 1);
  assert.deepEqual(networkWarnings(networking({}, { PublishAllPorts: true })), []);
});
