import { type ContainerRecord, hasProcess } from "../container/index.ts";
import { isPlyError } from "../error.ts";
import type { Endpoint, EndpointOptions, Network, Networks } from "../network/index.ts";
import type {
  DockerEndpoint,
  DockerNetwork,
  DockerNetworkContainer,
  DockerNetworkSettings,
  DockerPort,
} from "../wire/index.ts";
import { viewEndpointRequest } from "./endpoint-request.ts";
import { namesNetwork } from "./network-request.ts";
import { listPorts, viewPublished } from "./port-map.ts";
import { formatTime } from "./timestamp.ts";

/** The engine's networks as Docker's bodies. */

export function dockerNetwork(network: Network, endpoints: readonly Endpoint[] = []): DockerNetwork {
  return {
    Name: network.name,
    Id: network.id,
    Created: formatTime(network.createdAt),
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipamDriver,
      Options: Object.keys(network.ipamOptions).length === 0 ? null : network.ipamOptions,
      Config: network.subnets.map(({ subnet, gateway, range, reserved }) => ({
        Subnet: subnet,
        ...(range === null ? {} : { IPRange: range }),
        ...(gateway === null ? {} : { Gateway: gateway }),
        ...(Object.keys(reserved).length === 0 ? {} : { AuxiliaryAddresses: reserved }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? "" },
    ConfigOnly: network.configOnly ?? false,
    Containers: Object.fromEntries(
      endpoints.map((endpoint) => [endpoint.containerId, containerOn(endpoint)]),
    ),
    Options: network.options,
    Labels: network.labels,
  };
}

function containerOn({ id, containerName, mac, ipv4, ipv6 }: Endpoint): DockerNetworkContainer {
  const withPrefix = (own: Endpoint["ipv4"]) => (own === null ? "" : `${own.address}/${own.prefix}`);
  return {
    Name: containerName,
    EndpointID: id,
    MacAddress: mac,
    IPv4Address: withPrefix(ipv4),
    IPv6Address: withPrefix(ipv6),
  };
}

/** What a container has of networks: as it runs, else as it is to be. */
export interface ContainerNetworkView {
  readonly endpoints: Readonly<Record<string, DockerEndpoint>>;
  readonly ports: readonly DockerPort[];
  readonly settings: DockerNetworkSettings;
}

const NO_ENDPOINT = {
  NetworkID: "",
  EndpointID: "",
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  DNSNames: null,
} as const;

/** Before this version of the API, the short id was among the aliases. */
const FIRST_WITH_DNS_NAMES = 44;

/** `apiMinor`: minor part of the API version that the client speaks. */
export function viewContainerNetworks(
  container: ContainerRecord,
  networks: Pick<Networks, "get" | "attachmentOf">,
  apiMinor: number,
): ContainerNetworkView {
  const { id, host, config, status } = container;
  const attachment = hasProcess(status) ? networks.attachmentOf(id) : undefined;
  const exposed = Object.keys(config.ExposedPorts ?? {});
  const wanted = host.networks ?? [];
  const running = attachment?.endpoints ?? [];
  const endpoints = Object.fromEntries(
    host.networkMode === "host" || host.networkMode === "none"
      ? [
          [
            host.networkMode,
            viewEndpoint({ network: host.networkMode }, undefined, networkOf(host.networkMode, networks)),
          ],
        ]
      : wanted.map((options) => {
          const network = networkOf(options.network, networks);
          const live = running.find(({ networkId }) => networkId === network?.id);
          const view = viewEndpoint(options, live, network);
          const withId = apiMinor < FIRST_WITH_DNS_NAMES && options.network !== "bridge";
          const aliases = withId ? [...new Set([...(view.Aliases ?? []), id.slice(0, 12)])] : view.Aliases;
          return [network?.name ?? options.network, { ...view, Aliases: aliases ?? null }];
        }),
  );
  const ports = attachment?.ports ?? [];
  const bridge = endpoints["bridge"];
  return {
    endpoints,
    ports: hasProcess(status) && namesNetwork(host.networkMode) ? listPorts(ports, exposed) : [],
    settings: {
      Bridge: "",
      SandboxID: attachment === undefined ? "" : id,
      SandboxKey: attachment === undefined ? "" : `/proc/${container.pid}/ns/net`,
      HairpinMode: false,
      LinkLocalIPv6Address: "",
      LinkLocalIPv6PrefixLen: 0,
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      EndpointID: bridge?.EndpointID ?? "",
      Gateway: bridge?.Gateway ?? "",
      IPAddress: bridge?.IPAddress ?? "",
      IPPrefixLen: bridge?.IPPrefixLen ?? 0,
      IPv6Gateway: bridge?.IPv6Gateway ?? "",
      GlobalIPv6Address: bridge?.GlobalIPv6Address ?? "",
      GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
      MacAddress: bridge?.MacAddress ?? "",
      Ports: attachment === undefined ? {} : viewPublished(ports, exposed),
      Networks: endpoints,
    },
  };
}

function viewEndpoint(
  options: EndpointOptions,
  live: Endpoint | undefined,
  network: Network | undefined,
): DockerEndpoint {
  const asked = viewEndpointRequest(options);
  if (live === undefined) return { ...asked, ...NO_ENDPOINT, NetworkID: network?.id ?? "" };
  const { ipv4, ipv6 } = live;
  return {
    ...asked,
    NetworkID: live.networkId,
    EndpointID: live.id,
    MacAddress: live.mac,
    Gateway: ipv4?.gateway ?? "",
    IPAddress: ipv4?.address ?? "",
    IPPrefixLen: ipv4?.prefix ?? 0,
    IPv6Gateway: ipv6?.gateway ?? "",
    GlobalIPv6Address: ipv6?.address ?? "",
    GlobalIPv6PrefixLen: ipv6?.prefix ?? 0,
    DNSNames: live.networkName === "bridge" ? null : live.names,
  };
}

/** Undefined when it was removed since: the container keeps the name of what it was to be on. */
function networkOf(name: string, networks: Pick<Networks, "get">): Network | undefined {
  try {
    return networks.get(name);
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
}
