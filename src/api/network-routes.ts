import { createHash } from "node:crypto";
import { hasProcess } from "../container/index.ts";
import { PlyError } from "../error.ts";
import type { DockerNetwork } from "../wire/index.ts";
import { type Exchange, param, sendJson } from "./exchange.ts";
import { filterValues, parseFilters } from "./filters.ts";
import type { ApiRoute, Service } from "./service.ts";
import { formatTime } from "./timestamp.ts";

/** The two networks there are without any network code: so that clients can list them. */
export const networkRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/networks", handler: listNetworks },
  { method: "GET", path: "/networks/{name}", handler: inspectNetwork },
];

const NETWORKS = [
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
] as const;
const NETWORK_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

function networks({ engine, startedAt }: Service): DockerNetwork[] {
  return NETWORKS.map(({ name, driver }) => ({
    Name: name,
    // The same for the life of the engine's root, different between engines.
    Id: createHash("sha256").update(`${engine.info.id} network ${name}`).digest("hex"),
    Created: formatTime(startedAt),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  }));
}

function listNetworks(exchange: Exchange, service: Service): void {
  const filters = parseFilters(exchange.query, NETWORK_FILTERS);
  const fits = (name: string, test: (value: string) => boolean) => {
    const values = filterValues(filters, name);
    return values.length === 0 || values.some(test);
  };
  const found = networks(service).filter(
    (network) =>
      fits("name", (name) => network.Name.includes(name)) &&
      fits("id", (id) => network.Id.startsWith(id)) &&
      fits("driver", (driver) => network.Driver === driver) &&
      fits("scope", (scope) => network.Scope === scope) &&
      fits("type", (type) => type === "builtin") &&
      fits("label", () => false) &&
      fits("dangling", (value) => value === "false" || value === "0"),
  );
  sendJson(exchange, 200, found);
}

function inspectNetwork(exchange: Exchange, service: Service): void {
  const wanted = param(exchange, "name");
  const all = networks(service);
  const found =
    all.find((network) => network.Name === wanted) ?? all.find((network) => network.Id.startsWith(wanted));
  if (found === undefined) throw new PlyError("not-found", `network ${wanted} not found`);
  const containers = service.engine.containers
    .list()
    .filter(({ status, host }) => hasProcess(status) && host.networkMode === found.Name)
    .map(({ id, name }) => [
      id,
      { Name: name, EndpointID: "", MacAddress: "", IPv4Address: "", IPv6Address: "" },
    ]);
  sendJson(exchange, 200, { ...found, Containers: Object.fromEntries(containers) });
}
