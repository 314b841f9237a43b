import { randomBytes } from "node:crypto";
import { PlyError } from "../error.ts";
import { type Address, formatAddress, parseAddress, parseCidr } from "./address.ts";
import type { AttachOptions, Endpoint, EndpointOptions } from "./attachment.ts";
import { chooseAddress, type InUse } from "./ipam.ts";
import { formatMac, macOf, parseMac } from "./mac.ts";
import { optionOf } from "./network-option.ts";
import type { Network, Subnet } from "./networks.ts";
import type { Target } from "./publish.ts";
import type { DefaultRoute } from "./sandbox.ts";

/** Throws "not-found". */
export type FindNetwork = (name: string) => Network;

/** Throws for what no start could make true: an address outside, a builtin that is no place to be. */
export function checkEndpoint(network: Network, { ipv4, ipv6, mac, linkLocal = [] }: EndpointOptions): void {
  if (mac) parseMac(mac);
  for (const address of linkLocal) parseAddress(address);
  if (network.configOnly)
    throw new PlyError(
      "denied",
      `network ${network.name} is but the configuration of others: nothing can be on it`,
    );
  if (network.driver === "host" || network.driver === "null")
    throw new PlyError(
      "denied",
      network.driver === "host"
        ? "container cannot be disconnected from host network or connected to host network"
        : "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  if (!ipv4 && !ipv6) return;
  if (network.builtin)
    throw new PlyError("invalid", "user specified IP address is supported on user defined networks only");
  for (const [family, address] of [
    [4, ipv4],
    [6, ipv6],
  ] as const) {
    if (!address) continue;
    // Automatic subnets may be other ones tomorrow.
    if (network.subnets.every(({ subnet, automatic }) => automatic || parseCidr(subnet).family !== family))
      throw new PlyError(
        "invalid",
        "user specified IP address is supported only when connecting to networks with user configured subnets",
      );
    chooseAddress(network, family, address, new Set());
  }
}

/** A new endpoint with addresses nobody else has. Throws as {@link chooseAddress}. */
export function newEndpoint(
  network: Network,
  options: EndpointOptions,
  owner: Pick<AttachOptions, "containerName" | "names"> & {
    readonly containerId: string;
    /** Devices the container has already. */
    readonly devices: readonly string[];
    readonly inUse: InUse;
  },
): Endpoint {
  const v4 = network.ipv4 ? chooseAddress(network, 4, options.ipv4, owner.inUse) : undefined;
  const v6 = network.ipv6 ? chooseAddress(network, 6, options.ipv6, owner.inUse) : undefined;
  const place = (found: { readonly address: Address; readonly subnet: Subnet } | undefined) =>
    found === undefined
      ? null
      : {
          address: formatAddress(found.address),
          prefix: parseCidr(found.subnet.subnet).prefix,
          gateway: hasGateway(network) ? found.subnet.gateway : null,
        };
  return {
    id: randomBytes(32).toString("hex"),
    networkId: network.id,
    networkName: network.name,
    containerId: owner.containerId,
    containerName: owner.containerName,
    device: freeDevice(optionOf.interfacePrefix(network.options), owner.devices),
    mac: formatMac(options.mac ? parseMac(options.mac) : macOf(v4?.address)),
    ipv4: place(v4),
    ipv6: place(v6),
    names: [...new Set([...owner.names, ...(options.aliases ?? [])])],
    options,
  };
}

const isRouted = ({ driver, options }: Network): boolean =>
  driver === "ipvlan" && optionOf.ipvlanMode(options) !== "l2";
const hasGateway = (network: Network): boolean => !network.internal && !isRouted(network);

function freeDevice(prefix: string, taken: readonly string[]): string {
  for (let number = 0; ; number++) if (!taken.includes(`${prefix}${number}`)) return `${prefix}${number}`;
}

/** The endpoint through which a container reaches the world, one for each family. */
function gatewayEndpoint(
  endpoints: readonly Endpoint[],
  family: 4 | 6,
  find: FindNetwork,
): Endpoint | undefined {
  const placeOf = (endpoint: Endpoint) => (family === 4 ? endpoint.ipv4 : endpoint.ipv6);
  const priority = ({ options }: Endpoint) => options.gatewayPriority ?? 0;
  return endpoints
    .filter((endpoint) => {
      const network = find(endpoint.networkId);
      const place = placeOf(endpoint);
      return place !== null && !network.internal && (place.gateway !== null || isRouted(network));
    })
    .sort(
      (one, other) => priority(other) - priority(one) || (one.networkName < other.networkName ? -1 : 1),
    )[0];
}

export function defaultRoutes(endpoints: readonly Endpoint[], find: FindNetwork): DefaultRoute[] {
  return ([4, 6] as const).flatMap((family) => {
    const endpoint = gatewayEndpoint(endpoints, family, find);
    if (endpoint === undefined) return [];
    const place = family === 4 ? endpoint.ipv4 : endpoint.ipv6;
    return [{ family, device: endpoint.device, gateway: place?.gateway ?? null }];
  });
}

/** Where published ports lead: to the address on the bridge that leads to the world. Undefined: nowhere. */
export function publishTarget(
  endpoints: readonly Endpoint[],
  find: FindNetwork,
):
  | { readonly target: Target; readonly endpoint: Endpoint; readonly defaultAddress: string | undefined }
  | undefined {
  const onBridge = (family: 4 | 6) => {
    const endpoint = gatewayEndpoint(endpoints, family, find);
    return endpoint !== undefined && find(endpoint.networkId).driver === "bridge" ? endpoint : undefined;
  };
  const [v4, v6] = [onBridge(4), onBridge(6)];
  const endpoint = v4 ?? v6;
  if (endpoint === undefined) return undefined;
  return {
    target: { ipv4: v4?.ipv4?.address ?? null, ipv6: v6?.ipv6?.address ?? null },
    endpoint,
    defaultAddress: optionOf.hostBinding(find(endpoint.networkId).options),
  };
}
