import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../network/index.ts";
import { linkedEnv, linkedVariables } from "./link-env.ts";

const ID = "d".repeat(64);

function endpoint(containerName: string, address: string, links: readonly string[]): Endpoint {
  return {
    id: "e".repeat(64),
    networkId: "n".repeat(64),
    networkName: "bridge",
    containerId: ID,
    containerName,
    device: "eth0",
    mac: "02:00:00:00:00:01",
    ipv4: { address, prefix: 16, gateway: "172.17.0.1" },
    ipv6: null,
    names: [containerName],
    options: { network: "bridge", links },
  };
}

function told(link: string, exposed: readonly string[], env: readonly string[] = []): string[] {
  const attachment = { endpoints: [endpoint("web", "172.17.0.2", [link])] };
  const config = { Env: [...env], ExposedPorts: Object.fromEntries(exposed.map((port) => [port, {}])) };
  return linkedEnv(
    { name: "web" },
    attachment,
    () => [endpoint("db", "172.17.0.3", [])],
    () => ({ config }),
  );
}

test("a link's variables: its name, its ports with TCP's first, what the other has but HOME and PATH", () => {
  assert.deepEqual(
    told("db:main-store", ["53/udp", "6379/tcp"], ["PASSWORD=a=b", "HOME=/x", "PATH=/bin", "HOMES=2"]),
    [
      "MAIN_STORE_PORT=tcp://172.17.0.3:6379",
      "MAIN_STORE_PORT_6379_TCP=tcp://172.17.0.3:6379",
      "MAIN_STORE_PORT_6379_TCP_ADDR=172.17.0.3",
      "MAIN_STORE_PORT_6379_TCP_PORT=6379",
      "MAIN_STORE_PORT_6379_TCP_PROTO=tcp",
      "MAIN_STORE_PORT_53_UDP=udp://172.17.0.3:53",
      "MAIN_STORE_PORT_53_UDP_ADDR=172.17.0.3",
      "MAIN_STORE_PORT_53_UDP_PORT=53",
      "MAIN_STORE_PORT_53_UDP_PROTO=udp",
      "MAIN_STORE_NAME=/web/main-store",
      "MAIN_STORE_ENV_PASSWORD=a=b",
      "MAIN_STORE_ENV_HOMES=2",
    ],
  );
  assert.deepEqual(told("/db", []), ["DB_NAME=/web/db"]);
  assert.deepEqual(told("gone:db", ["80/tcp"]), []);
});

test("three ports and more in a row are a range too", () => {
  const ranges = told("db", ["82/tcp", "80/tcp", "90/tcp", "81/tcp", "91/tcp", "83/udp"]).filter((entry) =>
    /_(START|END)=/.test(entry),
  );
  assert.deepEqual(ranges, [
    "DB_PORT_80_TCP_START=tcp://172.17.0.3:80",
    "DB_PORT_80_TCP_PORT_START=80",
    "DB_PORT_80_TCP_END=tcp://172.17.0.3:82",
    "DB_PORT_80_TCP_PORT_END=82",
  ]);
});

test("those of a process are known by the aliases", () => {
  const networks = [{ network: "bridge", links: ["db:store"] }];
  assert.deepEqual(linkedVariables(networks, ["PATH=/bin", "STORE_NAME=/web/store", "STOREY=1"]), [
    "STORE_NAME=/web/store",
  ]);
});
