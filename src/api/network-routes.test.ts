import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { CreateNetworkOptions, Endpoint, EndpointOptions, Network } from "../network/index.ts";
import type { DockerContainerInspect, DockerContainerSummary, DockerNetwork } from "../wire/index.ts";
import { testApi } from "./testing/client.ts";
import { fakeContainer, NOW } from "./testing/fake-engine.ts";

const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

function fakeNetwork(name: string, more: Partial<Network> = {}): Network {
  return {
    id: Buffer.from(name.padEnd(32)).toString("hex"),
    name,
    driver: "bridge",
    createdAt: NOW - 3_600_000,
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    subnets: [],
    options: {},
    labels: {},
    builtin: false,
    device: "",
    ipamDriver: "default",
    ipamOptions: {},
    ...more,
  };
}

const subnet = {
  subnet: "172.18.0.0/16",
  gateway: "172.18.0.1",
  range: null,
  reserved: { spare: "172.18.0.9" },
  automatic: true,
};
const LIST = [
  fakeNetwork("bridge", { builtin: true }),
  fakeNetwork("host", { builtin: true, driver: "host" }),
  fakeNetwork("none", { builtin: true, driver: "null" }),
  fakeNetwork("app", { subnets: [subnet], labels: { tier: "web" }, options: { a: "b" }, createdAt: NOW }),
  fakeNetwork("idle", { driver: "macvlan", internal: true }),
];

function get(name: string): Network {
  const found = LIST.find((network) => network.name === name || network.id.startsWith(name));
  if (found === undefined) throw new PlyError("not-found", `network ${name} not found`);
  return found;
}

/** `web` runs on app and bridge; `old` is to be on app. */
function room() {
  const options: EndpointOptions = { network: "app", aliases: ["www"], ipv4: "172.18.0.2" };
  const networks = [options, { network: "bridge" }];
  const containers = ["web", "old"].map((name) => {
    const container = fakeContainer({ name, ...(name === "web" ? { status: "running" } : {}) });
    return {
      ...container,
      config: { ...container.config, ExposedPorts: { "80/tcp": {}, "443/tcp": {} } },
      host: { ...container.host, networkMode: "app", networks: name === "web" ? networks : [options] },
    };
  });
  const [web] = containers;
  const on = (network: Network, address: string, wanted: EndpointOptions): Endpoint => ({
    id: "e".repeat(64),
    networkId: network.id,
    networkName: network.name,
    containerId: web?.id ?? "",
    containerName: "web",
    device: "eth0",
    mac: "02:42:ac:12:00:02",
    ipv4: { address, prefix: 16, gateway: "172.18.0.1" },
    ipv6: null,
    names: ["web", "www"],
    options: wanted,
  });
  const endpoints = [
    on(get("app"), "172.18.0.2", options),
    on(get("bridge"), "172.17.0.2", { network: "bridge" }),
  ];
  const done: unknown[] = [];
  return {
    done,
    parts: {
      networks: {
        get,
        list: () => LIST,
        endpointsOn: (id: string) => endpoints.filter(({ networkId }) => networkId === id),
        attachmentOf: (id: string) =>
          id === web?.id
            ? {
                containerId: id,
                netnsPath: "",
                endpoints,
                ports: [
                  { containerPort: 80, protocol: "tcp" as const, hostAddress: "127.0.0.1", hostPort: 8080 },
                ],
              }
            : undefined,
        create: async (given: CreateNetworkOptions) => {
          done.push(given.name);
          return { network: fakeNetwork(given.name), warnings: ["a", "b"] };
        },
        remove: async (name: string) => void done.push(`remove ${name}`),
        prune: async ({
          matches = () => true,
          isUsed,
        }: {
          matches?: (n: Network) => boolean;
          isUsed: (n: Network) => boolean;
        }) =>
          LIST.filter((network) => !network.builtin && matches(network) && !isUsed(network)).map(
            ({ name }) => name,
          ),
      },
      containers: {
        get: (name: string) => {
          const found = containers.find((container) => container.name === name);
          if (found === undefined) throw new PlyError("not-found", `No such container: ${name}`);
          return found;
        },
        list: () => containers,
        connectNetwork: async (name: string, endpoint: EndpointOptions) => void done.push([name, endpoint]),
        disconnectNetwork: async (...given: unknown[]) => void done.push(given),
      },
    },
  };
}

describe("network routes", () => {
  test("the list, and what fits", async () => {
    await using api = await testApi(room().parts);
    const names = async (wanted: unknown) =>
      ((await api.call("GET", `/networks?${filters(wanted)}`)).json() as DockerNetwork[]).map(
        ({ Name }) => Name,
      );
    assert.deepEqual(await names({}), ["bridge", "host", "none", "app", "idle"]);
    assert.deepEqual(await names({ name: ["o"] }), ["host", "none"]);
    assert.deepEqual(await names({ driver: ["macvlan", "null"] }), ["none", "idle"]);
    assert.deepEqual(await names({ type: ["custom"], scope: ["local"] }), ["app", "idle"]);
    assert.deepEqual(await names({ label: ["tier"] }), ["app"]);
    assert.deepEqual(await names({ dangling: ["true"] }), ["idle"]);
    assert.deepEqual(await names({ dangling: ["false"] }), ["bridge", "host", "none", "app"]);
    assert.deepEqual(await names({ id: [get("app").id.slice(0, 6)] }), ["app"]);
    assert.deepEqual(await names({ scope: ["swarm"] }), []);
    for (const wrong of [{ type: ["odd"] }, { color: ["red"] }, { dangling: ["maybe"] }])
      assert.equal((await api.call("GET", `/networks?${filters(wrong)}`)).status, 400);
  });

  test("inspect has the containers, a list only for clients of old", async () => {
    await using api = await testApi(room().parts);
    const app = (await api.call("GET", "/networks/app")).json() as DockerNetwork;
    assert.deepEqual(app.IPAM.Config, [
      { Subnet: "172.18.0.0/16", Gateway: "172.18.0.1", AuxiliaryAddresses: { spare: "172.18.0.9" } },
    ]);
    assert.deepEqual(
      Object.values(app.Containers).map(({ Name, IPv4Address }) => [Name, IPv4Address]),
      [["web", "172.18.0.2/16"]],
    );
    const containersIn = async (path: string) =>
      Object.keys(
        ((await api.call("GET", path)).json() as DockerNetwork[]).find(({ Name }) => Name === "app")
          ?.Containers ?? {},
      ).length;
    assert.deepEqual([await containersIn("/v1.27/networks"), await containersIn("/v1.41/networks")], [1, 0]);
    assert.equal(
      (await api.call("GET", `/networks/${app.Id.slice(0, 12)}?verbose=1&scope=local`)).status,
      200,
    );
    assert.equal((await api.call("GET", "/networks/app?scope=swarm")).status, 404);
    assert.equal((await api.call("GET", "/networks/nobody")).status, 404);
  });

  test("create, remove, connect, disconnect, prune", async () => {
    const { parts, done } = room();
    await using api = await testApi(parts);
    const created = await api.call("POST", "/networks/create", { body: { Name: "new" } });
    assert.deepEqual([created.status, (created.json() as { Warning: string }).Warning], [201, "a; b"]);
    assert.equal(
      (await api.call("POST", "/networks/create", { body: { Name: "n", Driver: "overlay" } })).status,
      503,
    );
    assert.equal((await api.call("DELETE", "/networks/idle")).status, 204);
    const Container = "web";
    const EndpointConfig = { Aliases: ["x"] };
    assert.equal(
      (await api.call("POST", "/networks/idle/connect", { body: { Container, EndpointConfig } })).status,
      200,
    );
    assert.equal((await api.call("POST", "/networks/idle/connect", { body: { Container } })).status, 200);
    assert.equal((await api.call("POST", "/networks/nobody/connect", { body: { Container } })).status, 404);
    assert.equal(
      (await api.call("POST", "/networks/idle/disconnect", { body: { Container, Force: true } })).status,
      200,
    );
    assert.deepEqual(done, [
      "new",
      "remove idle",
      ["web", { network: "idle", aliases: ["x"] }],
      ["web", { network: "idle" }],
      ["web", "idle", { force: true }],
    ]);
    const pruned = async (wanted: unknown) =>
      (
        (await api.call("POST", `/networks/prune?${filters(wanted)}`)).json() as {
          NetworksDeleted: string[] | null;
        }
      ).NetworksDeleted;
    assert.deepEqual(await pruned({}), ["idle"]);
    assert.deepEqual(await pruned({ until: ["30m"] }), ["idle"]);
    assert.equal(await pruned({ until: ["2h"] }), null);
    assert.equal(await pruned({ label: ["x"] }), null);
    assert.deepEqual(await pruned({ "label!": ["x"] }), ["idle"]);
  });

  test("a container's networks and ports, running and stopped", async () => {
    await using api = await testApi(room().parts);
    const inspect = async (path: string) =>
      ((await api.call("GET", path)).json() as DockerContainerInspect).NetworkSettings;
    const web = await inspect("/containers/web/json");
    assert.deepEqual(Object.keys(web.Networks), ["app", "bridge"]);
    const { app } = web.Networks;
    assert.deepEqual(
      [
        app?.NetworkID,
        app?.IPAddress,
        app?.IPPrefixLen,
        app?.Gateway,
        app?.MacAddress,
        app?.Aliases,
        app?.DNSNames,
      ],
      [get("app").id, "172.18.0.2", 16, "172.18.0.1", "02:42:ac:12:00:02", ["www"], ["web", "www"]],
    );
    assert.deepEqual(app?.IPAMConfig, { IPv4Address: "172.18.0.2" });
    assert.deepEqual([web.IPAddress, web.Networks["bridge"]?.DNSNames], ["172.17.0.2", null]);
    assert.deepEqual(web.Ports, { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }], "443/tcp": null });
    const before = await inspect("/v1.43/containers/web/json");
    assert.equal(before.Networks["app"]?.Aliases?.length, 2);
    const old = await inspect("/containers/old/json");
    assert.deepEqual(
      [old.Ports, old.SandboxKey, old.Networks["app"]?.NetworkID, old.Networks["app"]?.IPAddress],
      [{}, "", get("app").id, ""],
    );
    const listed = async (wanted: unknown) =>
      (await api.call("GET", `/containers/json?all=1&${filters(wanted)}`)).json() as DockerContainerSummary[];
    const [summary] = await listed({ publish: ["8080"] });
    assert.deepEqual(summary?.Ports, [
      { IP: "127.0.0.1", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
      { PrivatePort: 443, Type: "tcp" },
    ]);
    assert.deepEqual(Object.keys(summary?.NetworkSettings.Networks ?? {}), ["app", "bridge"]);
    const count = async (wanted: unknown) => (await listed(wanted)).length;
    assert.deepEqual(
      [
        await count({ network: ["app"] }),
        await count({ network: ["bridge"] }),
        await count({ network: [get("app").id] }),
        await count({ network: ["idle"] }),
        await count({ expose: ["440-450/tcp"] }),
        await count({ expose: ["80/udp"] }),
        await count({ publish: ["80"] }),
      ],
      [2, 1, 2, 0, 2, 0, 0],
    );
    assert.equal((await api.call("GET", `/containers/json?${filters({ publish: ["x"] })}`)).status, 400);
  });
});
