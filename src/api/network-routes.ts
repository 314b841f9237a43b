import { hasProcess } from "../container/index.ts";
import { PlyError } from "../error.ts";
import type { Network } from "../network/index.ts";
import type { DockerNetworkCreateResponse, DockerNetworkPrune } from "../wire/index.ts";
import { parseEndpoint } from "./endpoint-request.ts";
import { type Exchange, param, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import { fieldsOf, flag, text } from "./fields.ts";
import {
  type Filters,
  filterBoolean,
  filterValue,
  filterValues,
  hasLabels,
  invalidValue,
  parseFilters,
} from "./filters.ts";
import { parseNetworkCreate } from "./network-request.ts";
import { dockerNetwork } from "./network-view.ts";
import type { ApiRoute, Service } from "./service.ts";
import { inSession, withSessionLabel } from "./session-routes.ts";
import { parseTimestampMs } from "./timestamp.ts";

export const networkRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/networks", handler: list },
  { method: "POST", path: "/networks/create", handler: inSession(create) },
  { method: "POST", path: "/networks/prune", handler: prune },
  { method: "GET", path: "/networks/{name}", handler: inspect },
  { method: "DELETE", path: "/networks/{name}", handler: remove },
  { method: "POST", path: "/networks/{name}/connect", handler: connect },
  { method: "POST", path: "/networks/{name}/disconnect", handler: disconnect },
];

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];
const PRUNE_FILTERS = ["label", "label!", "until"];
/** Lists of old clients had the containers as well. */
const LAST_WITH_CONTAINERS = 27;

function list(exchange: Exchange, { engine }: Service): void {
  const { networks } = engine;
  const matches = matcher(parseFilters(exchange.query, FILTERS), (id) => networks.endpointsOn(id).length > 0);
  const bodies = networks
    .list()
    .filter(matches)
    .map((network) =>
      dockerNetwork(
        network,
        exchange.apiMinor <= LAST_WITH_CONTAINERS ? networks.endpointsOn(network.id) : [],
      ),
    );
  sendJson(exchange, 200, bodies);
}

/** Values of one filter are alternatives (labels: all), different filters all hold. */
function matcher(filters: Filters, isUsed: (id: string) => boolean): (network: Network) => boolean {
  const dangling = filterBoolean(filters, "dangling");
  for (const type of filterValues(filters, "type"))
    if (type !== "builtin" && type !== "custom") throw invalidValue("type", type);
  const labels = filterValues(filters, "label");
  const anyOf = (name: string, test: (value: string) => boolean): boolean => {
    const values = filterValues(filters, name);
    return values.length === 0 || values.some(test);
  };
  return (network) =>
    anyOf("name", (name) => network.name.includes(name)) &&
    anyOf("id", (id) => network.id.startsWith(id)) &&
    anyOf("driver", (driver) => network.driver === driver) &&
    anyOf("scope", (scope) => scope === "local") &&
    anyOf("type", (type) => network.builtin === (type === "builtin")) &&
    hasLabels(network.labels, labels) &&
    (dangling === undefined || dangling === (!network.builtin && !isUsed(network.id)));
}

function inspect(exchange: Exchange, { engine }: Service): void {
  const { query } = exchange;
  const name = param(exchange, "name");
  const scope = query.get("scope");
  if (scope !== null && scope !== "" && scope !== "local")
    throw new PlyError("not-found", `network ${name} not found`);
  const network = engine.networks.get(name);
  const body = dockerNetwork(network, engine.networks.endpointsOn(network.id));
  // The host's own network and none have no endpoints, but containers.
  const sharing = engine.containers
    .list()
    .filter(({ status, host }) => hasProcess(status) && network.builtin && host.networkMode === network.name)
    .filter(({ id }) => body.Containers[id] === undefined);
  const without = { EndpointID: "", MacAddress: "", IPv4Address: "", IPv6Address: "" };
  const more = sharing.map((container) => [container.id, { Name: container.name, ...without }]);
  sendJson(exchange, 200, { ...body, Containers: { ...body.Containers, ...Object.fromEntries(more) } });
}

async function create(exchange: Exchange, { engine }: Service): Promise<void> {
  const { network, warnings } = await engine.networks.create(
    parseNetworkCreate(withSessionLabel(exchange, await readJsonObject(exchange))),
  );
  const body: DockerNetworkCreateResponse = { Id: network.id, Warning: warnings.join("; ") };
  sendJson(exchange, 201, body);
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.networks.remove(param(exchange, "name"));
  sendEmpty(exchange, 204);
}

async function connect(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  const { name } = engine.networks.get(param(exchange, "name"));
  const endpoint = parseEndpoint(name, fieldsOf(body, "EndpointConfig"));
  await engine.containers.connectNetwork(text(body, "Container"), endpoint);
  sendEmpty(exchange, 200);
}

async function disconnect(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  await engine.containers.disconnectNetwork(text(body, "Container"), param(exchange, "name"), {
    force: flag(body, "Force"),
  });
  sendEmpty(exchange, 200);
}

async function prune(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const filters = parseFilters(exchange.query, PRUNE_FILTERS);
  const until = filterValue(filters, "until");
  const createdBefore = until === undefined ? Number.POSITIVE_INFINITY : parseTimestampMs(until, clock());
  const labels = filterValues(filters, "label");
  const spared = filterValues(filters, "label!");
  const used = new Set(
    engine.containers.list().flatMap(({ host }) => (host.networks ?? []).map(({ network }) => network)),
  );
  const removed = await engine.networks.prune({
    matches: (network) =>
      network.createdAt < createdBefore &&
      hasLabels(network.labels, labels) &&
      !spared.some((label) => hasLabels(network.labels, [label])),
    isUsed: ({ id, name }) => used.has(id) || used.has(name),
  });
  const body: DockerNetworkPrune = { NetworksDeleted: removed.length === 0 ? null : removed };
  sendJson(exchange, 200, body);
}
