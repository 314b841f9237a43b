import { isIPv4, isIPv6 } from "node:net";
import { PlyError } from "../error.ts";
import type { EndpointOptions } from "../network/index.ts";
import type { DockerEndpointConfig } from "../wire/index.ts";
import { type Fields, fieldsOf, integer, stringMap, text, texts } from "./fields.ts";

const MAC = /^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i;

/** What a container asks of a network. Throws "invalid" in Docker's words. */
export function parseEndpoint(network: string, settings: Fields): EndpointOptions {
  const ipam = fieldsOf(settings, "IPAMConfig");
  const endpoint = {
    aliases: texts(settings, "Aliases") ?? [],
    links: texts(settings, "Links") ?? [],
    ipv4: text(ipam, "IPv4Address"),
    ipv6: text(ipam, "IPv6Address"),
    linkLocal: texts(ipam, "LinkLocalIPs") ?? [],
    mac: text(settings, "MacAddress"),
    driverOptions: stringMap(settings, "DriverOpts"),
    gatewayPriority: integer(settings, "GwPriority"),
  };
  const { ipv4, ipv6, mac } = endpoint;
  const refuse = (what: string) => new PlyError("invalid", `invalid endpoint settings: ${what}`);
  if (ipv4 !== "" && !isIPv4(ipv4)) throw refuse(`invalid IPv4 address: ${ipv4}`);
  if (ipv6 !== "" && !isIPv6(ipv6)) throw refuse(`invalid IPv6 address: ${ipv6}`);
  for (const address of endpoint.linkLocal)
    if (!isIPv4(address) && !isIPv6(address)) throw refuse(`invalid link-local IP address: ${address}`);
  if (mac !== "") checkMac(mac);
  return { network, ...filled({ ...endpoint, mac: mac.toLowerCase().replaceAll("-", ":") }) };
}

/** Throws "invalid" in Docker's words. */
export function checkMac(mac: string): void {
  if (!MAC.test(mac)) throw new PlyError("invalid", `invalid MAC address: ${mac}`);
}

/** Without all that asks for nothing. */
function filled(endpoint: Required<Omit<EndpointOptions, "network">>): Omit<EndpointOptions, "network"> {
  const asks = (value: unknown) =>
    typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(endpoint).filter(([, value]) => asks(value)));
}

/** The same as Docker shows it. */
export function viewEndpointRequest(endpoint: EndpointOptions): Required<DockerEndpointConfig> {
  const { ipv4, ipv6, linkLocal } = endpoint;
  const asksAddress = ipv4 !== undefined || ipv6 !== undefined || linkLocal !== undefined;
  return {
    IPAMConfig: asksAddress
      ? {
          ...(ipv4 === undefined ? {} : { IPv4Address: ipv4 }),
          ...(ipv6 === undefined ? {} : { IPv6Address: ipv6 }),
          ...(linkLocal === undefined ? {} : { LinkLocalIPs: linkLocal }),
        }
      : null,
    Links: endpoint.links ?? null,
    Aliases: endpoint.aliases ?? null,
    MacAddress: endpoint.mac ?? "",
    DriverOpts: endpoint.driverOptions ?? null,
    GwPriority: endpoint.gatewayPriority ?? 0,
  };
}
