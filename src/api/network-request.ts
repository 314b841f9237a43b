import { isIP } from "node:net";
import type { HostOptions } from "../container/index.ts";
import { PlyError } from "../error.ts";
import type { CreateNetworkOptions, EndpointOptions, SubnetOptions } from "../network/index.ts";
import { notASwarm } from "./absent-routes.ts";
import { checkMac, parseEndpoint } from "./endpoint-request.ts";
import { type Fields, fieldsOf, flag, objects, stringMap, text, texts } from "./fields.ts";
import { parsePortBindings } from "./port-map.ts";

/** The body of `POST /networks/create`. Throws "invalid" in Docker's words, "unsupported" for what is only a cluster's. */
export function parseNetworkCreate(body: Fields): CreateNetworkOptions {
  const name = text(body, "Name");
  if (name === "") throw new PlyError("invalid", "invalid config for network : network name is required");
  const scope = text(body, "Scope");
  if (flag(body, "Ingress") || text(body, "Driver") === "overlay" || (scope !== "" && scope !== "local"))
    notASwarm();
  const configFrom = text(fieldsOf(body, "ConfigFrom"), "Network");
  const ipam = fieldsOf(body, "IPAM");
  return {
    name,
    driver: text(body, "Driver"),
    ...(typeof body["EnableIPv4"] === "boolean" ? { ipv4: body["EnableIPv4"] } : {}),
    ipv6: flag(body, "EnableIPv6"),
    internal: flag(body, "Internal"),
    attachable: flag(body, "Attachable"),
    subnets: objects(ipam, "Config").map(subnetOf),
    options: stringMap(body, "Options"),
    labels: stringMap(body, "Labels"),
    ...(text(ipam, "Driver") === "" ? {} : { ipamDriver: text(ipam, "Driver") }),
    ipamOptions: stringMap(ipam, "Options"),
    ...(flag(body, "ConfigOnly") ? { configOnly: true } : {}),
    ...(configFrom === "" ? {} : { configFrom }),
  };
}

function subnetOf(config: Fields): SubnetOptions {
  const subnet = text(config, "Subnet");
  const gateway = text(config, "Gateway");
  const range = text(config, "IPRange");
  const auxiliary = "AuxiliaryAddresses" in config ? "AuxiliaryAddresses" : "AuxAddress";
  return {
    ...(subnet === "" ? {} : { subnet }),
    ...(gateway === "" ? {} : { gateway }),
    ...(range === "" ? {} : { range }),
    reserved: stringMap(config, auxiliary),
  };
}

type Networking = Pick<
  HostOptions,
  "networkMode" | "networks" | "ports" | "publishAllPorts" | "publishAddress"
>;

/** What a create request says about the container's network. Throws "invalid" in Docker's words. */
export function parseNetworking(body: Fields, hostConfig: Fields): Networking {
  const mode = body["NetworkDisabled"] === true ? "none" : networkModeOf(text(hostConfig, "NetworkMode"));
  const ports = parsePortBindings(hostConfig);
  return {
    networkMode: mode,
    networks: endpointsOf(mode, body, hostConfig),
    ...(ports.length === 0 ? {} : { ports }),
    ...(flag(hostConfig, "PublishAllPorts") ? { publishAllPorts: true } : {}),
    ...publishAddressOf(text(hostConfig, "PublishAddress")),
  };
}

/** ply's own: where `PublishAllPorts` publishes. */
function publishAddressOf(address: string): Pick<HostOptions, "publishAddress"> {
  if (address === "") return {};
  if (isIP(address) === 0) throw new PlyError("invalid", `invalid PublishAddress: ${address}`);
  return { publishAddress: address };
}

/** Docker's `default` is the network `bridge`. */
function networkModeOf(given: string): string {
  return given === "" || given === "default" ? "bridge" : given;
}

/** True when a mode names a network, not the host's namespace, none or another container's. */
export function namesNetwork(mode: string): boolean {
  return mode !== "host" && mode !== "none" && !mode.startsWith("container:");
}

/** What was asked for and has no effect with this mode, in Docker's words. */
export function networkWarnings({ networkMode, ports = [], publishAllPorts = false }: Networking): string[] {
  return networkMode === "host" && (ports.length > 0 || publishAllPorts)
    ? ["Published ports are discarded when using host network mode"]
    : [];
}

/** Throws "invalid" in Docker's words for what a container that shares a network cannot have for itself. */
function checkShared(mode: string, body: Fields, hostConfig: Fields): void {
  const isSet = (value: unknown) =>
    typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  const isContainer = mode.startsWith("container:");
  const linked = "type networking can't be used with links. This would result in undefined behavior";
  const conflicts: readonly (readonly [applies: boolean, value: unknown, what: string])[] = [
    [isContainer, body["Hostname"], "hostname and the network mode"],
    [isContainer, hostConfig["Links"], `container ${linked.replace("networking", "network")}`],
    [mode === "host", hostConfig["Links"], `host ${linked}`],
    [isContainer, hostConfig["Dns"], "dns and the network mode"],
    [isContainer, hostConfig["ExtraHosts"], "custom host-to-IP mapping and the network mode"],
    [isContainer || mode === "host", body["MacAddress"], "mac-address and the network mode"],
    [
      isContainer,
      isSet(hostConfig["PortBindings"]) || hostConfig["PublishAllPorts"],
      "port publishing and the container type network mode",
    ],
    [isContainer, body["ExposedPorts"], "port exposing and the container type network mode"],
  ];
  for (const [applies, value, what] of conflicts)
    if (applies && isSet(value)) throw new PlyError("invalid", `conflicting options: ${what}`);
}

function endpointsOf(mode: string, body: Fields, hostConfig: Fields): EndpointOptions[] {
  const mac = text(body, "MacAddress");
  const links = texts(hostConfig, "Links") ?? [];
  if (mac !== "") checkMac(mac);
  if (!namesNetwork(mode)) {
    checkShared(mode, body, hostConfig);
    return [];
  }
  const given = fieldsOf(fieldsOf(body, "NetworkingConfig"), "EndpointsConfig");
  const endpoints = Object.keys(given).map((name) =>
    parseEndpoint(networkModeOf(name), fieldsOf(given, name)),
  );
  // The endpoints that are given are all, as with Docker: clients of old name the first network in the mode alone.
  if (endpoints.length === 0) endpoints.push({ network: mode });
  const [first] = endpoints;
  const ofMode = endpoints.find(({ network }) => network === mode) ?? first;
  return endpoints.map((endpoint) =>
    endpoint === ofMode
      ? {
          ...endpoint,
          ...(mac === "" || endpoint.mac !== undefined ? {} : { mac: mac.toLowerCase() }),
          ...(links.length === 0 ? {} : { links: [...(endpoint.links ?? []), ...links] }),
        }
      : endpoint,
  );
}
