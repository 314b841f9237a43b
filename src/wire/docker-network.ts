/** Docker Engine API bodies about networks and ports. */

/** One subnet of a network. */
export interface DockerIpamConfig {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  /** Addresses by name that are never handed out. */
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

export interface DockerIpam {
  readonly Driver: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Config: readonly DockerIpamConfig[] | null;
}

/** One of `GET /networks`; `GET /networks/{id}` has `Containers` as well. */
export interface DockerNetwork {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: DockerIpam;
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  /** By container id: those that run on it. */
  readonly Containers: Readonly<Record<string, DockerNetworkContainer>>;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface DockerNetworkContainer {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  /** With the length of the prefix: `172.18.0.2/16`. */
  readonly IPv4Address: string;
  readonly IPv6Address: string;
}

/** `POST /networks/create`. */
export interface DockerNetworkCreate {
  readonly Name: string;
  readonly Driver?: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6?: boolean;
  readonly Internal?: boolean;
  readonly Attachable?: boolean;
  readonly ConfigOnly?: boolean;
  readonly ConfigFrom?: { readonly Network: string };
  readonly IPAM?: {
    readonly Driver?: string;
    readonly Options?: Readonly<Record<string, string>>;
    readonly Config?: readonly DockerIpamConfig[];
  };
  readonly Options?: Readonly<Record<string, string>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface DockerNetworkCreateResponse {
  readonly Id: string;
  readonly Warning: string;
}

/** `POST /networks/prune`. */
export interface DockerNetworkPrune {
  readonly NetworksDeleted: readonly string[] | null;
}

/** What a container asks of a network: at `create` and `connect`. */
export interface DockerEndpointConfig {
  readonly IPAMConfig?: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
    readonly LinkLocalIPs?: readonly string[];
  } | null;
  readonly Links?: readonly string[] | null;
  readonly Aliases?: readonly string[] | null;
  readonly MacAddress?: string;
  readonly DriverOpts?: Readonly<Record<string, string>> | null;
  readonly GwPriority?: number;
}

/** The same as it came out. */
export interface DockerEndpoint extends DockerEndpointConfig {
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly DNSNames: readonly string[] | null;
}

export interface DockerPortBinding {
  readonly HostIp: string;
  /** A number, or `first-last`; "": any. */
  readonly HostPort: string;
}

/** By container port: `80/tcp`. Null: exposed, not published. */
export type DockerPortMap = Readonly<Record<string, readonly DockerPortBinding[] | null>>;

/** A port of a container in a list of them. */
export interface DockerPort {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** `NetworkSettings` of a container. What is not in `Networks` is about the default bridge alone. */
export interface DockerNetworkSettings
  extends Pick<
    DockerEndpoint,
    | "EndpointID"
    | "Gateway"
    | "IPAddress"
    | "IPPrefixLen"
    | "IPv6Gateway"
    | "GlobalIPv6Address"
    | "GlobalIPv6PrefixLen"
  > {
  readonly Bridge: string;
  readonly SandboxID: string;
  readonly SandboxKey: string;
  readonly HairpinMode: boolean;
  readonly LinkLocalIPv6Address: string;
  readonly LinkLocalIPv6PrefixLen: number;
  readonly SecondaryIPAddresses: null;
  readonly SecondaryIPv6Addresses: null;
  readonly MacAddress: string;
  readonly Ports: DockerPortMap;
  readonly Networks: Readonly<Record<string, DockerEndpoint>>;
}
