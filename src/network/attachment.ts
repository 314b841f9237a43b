import type { PortRequest, PublishedPort } from "./port.ts";

/** One network that a container is to be on. */
export interface EndpointOptions {
  /** Name or id. */
  readonly network: string;
  /** Names for it on this network, beyond the container's own, as the user gave them. */
  readonly aliases?: readonly string[];
  /** `container:alias`: more names, seen by this container only. */
  readonly links?: readonly string[];
  /** Addresses of the user's choice. */
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly linkLocal?: readonly string[];
  readonly mac?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  /** The default route goes where this is highest; Docker's order of names among equals. Default 0. */
  readonly gatewayPriority?: number;
}

export interface AttachOptions {
  readonly containerName: string;
  /** Names all its networks know it by, best first: its name, its short id (see {@link EndpointOptions.aliases}). */
  readonly names: readonly string[];
  readonly endpoints: readonly EndpointOptions[];
  readonly ports: readonly PortRequest[];
  /** `-P`: a random host port for each of these (`80/tcp`) that `ports` leaves out. */
  readonly publishAll?: readonly string[];
  /** Where `publishAll` publishes; absent: as ports without an address. */
  readonly publishAllAddress?: string;
  /** Resolvers of its own in place of the host's, where its names are served. */
  readonly nameServers?: readonly string[];
  /** The runtime makes the namespace, one that belongs to a user namespace: the devices come with `moveIn`. */
  readonly isNamespaceLater?: boolean;
}

/** A container on a network, while it runs. */
export interface Endpoint {
  /** 64 hex digits. */
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly containerId: string;
  readonly containerName: string;
  /** Device in the container: `eth0`. */
  readonly device: string;
  readonly mac: string;
  /** Null: none of this kind. Lengths are of the prefix. */
  readonly ipv4: {
    readonly address: string;
    readonly prefix: number;
    readonly gateway: string | null;
  } | null;
  readonly ipv6: {
    readonly address: string;
    readonly prefix: number;
    readonly gateway: string | null;
  } | null;
  /** All the names the name server knows it by on this network: the container's, then aliases. No doubles. */
  readonly names: readonly string[];
  readonly options: EndpointOptions;
}

/** The network of a running container. */
export interface Attachment {
  readonly containerId: string;
  /** For the OCI spec: good until the container's first process runs. "" before `moveIn`. */
  readonly netnsPath: string;
  /** In the order of `options.endpoints`. */
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
}
