import type { Attachment, AttachOptions, Endpoint, EndpointOptions } from "./attachment.ts";

export type NetworkDriver = "bridge" | "host" | "null" | "macvlan" | "ipvlan";

/** One subnet of a network. Addresses and subnets are canonical texts: `172.18.0.1`, `fd00::/64`. */
export interface Subnet {
  readonly subnet: string;
  /** Null: none (an internal macvlan, say). */
  readonly gateway: string | null;
  /** Addresses nobody asked for come from here; null: from the whole subnet. */
  readonly range: string | null;
  /** Name by name, addresses that are never handed out. */
  readonly reserved: Readonly<Record<string, string>>;
  /** Chosen from the pools, not by the user. */
  readonly automatic: boolean;
}

/** A network as it is kept. `bridge`, `host` and `none` (driver `null`) are always there. */
export interface Network {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly driver: NetworkDriver;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** IPv4 before IPv6; empty for host and none. */
  readonly subnets: readonly Subnet[];
  /** As given (`com.docker.network.bridge.name`, `parent`, …); those of the default bridge are filled in. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the three that are always there. */
  readonly builtin: boolean;
  /** Name of the host's device for it (`ply0`, `br-ply-…`, the macvlan's parent); "" for host and none. */
  readonly device: string;
  /** As the user named it, `default` unless given. */
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  /** But the configuration of others: no container is ever on it. */
  readonly configOnly?: boolean;
  /** Name of the network that its configuration came from. */
  readonly configFrom?: string;
}

export interface SubnetOptions {
  /** CIDR; absent or "": one from the pools. */
  readonly subnet?: string;
  readonly gateway?: string;
  readonly range?: string;
  readonly reserved?: Readonly<Record<string, string>>;
}

export interface CreateNetworkOptions {
  readonly name: string;
  /** `bridge` when absent or "". Another name throws not-found: plugin "X" not found. */
  readonly driver?: string;
  /** Default true; false takes ipv6. */
  readonly ipv4?: boolean;
  /** Without an IPv6 subnet of the user's, a /64 of the engine's own ULA prefix is taken. */
  readonly ipv6?: boolean;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly subnets?: readonly SubnetOptions[];
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipamDriver?: string;
  readonly ipamOptions?: Readonly<Record<string, string>>;
  readonly configOnly?: boolean;
  /** Subnets, options and all from this configuration; then none of one's own. */
  readonly configFrom?: string;
}

/** Whether this host can have networks, for `info` and `doctor`. */
export interface NetworkProbe {
  readonly works: boolean;
  /** Why not, or what works less well: one sentence each. */
  readonly problems: readonly string[];
}

/**
 * The networks of an engine and who is on them. Names in parameters are a network's name, its id or an
 * unambiguous prefix of the id; containers are given by their full id. Emits Docker's network events: create, destroy,
 * connect, disconnect (attributes name, type, container).
 */
export interface Networks {
  readonly probe: NetworkProbe;
  /** Throws not-found `network X not found`; "invalid" for an ambiguous prefix. */
  get(name: string): Network;
  list(): Network[];
  /**
   * Throws "conflict" (network with name X already exists), "denied" for a builtin's name, "invalid" in Docker's
   * words for subnets that overlap or lie askew, "unavailable" when the pools are used up.
   */
  create(options: CreateNetworkOptions): Promise<{ readonly network: Network; readonly warnings: string[] }>;
  /** Throws "denied" for a builtin, "conflict" (details.httpStatus 403) when it has active endpoints. */
  remove(name: string): Promise<void>;
  /** Removes those that `matches` and that `isUsed` by no container, running or not. Returns their names. */
  prune(options: {
    readonly matches?: (network: Network) => boolean;
    readonly isUsed: (network: Network) => boolean;
  }): Promise<string[]>;

  /** Checks what can be checked before a start; throws as `attach` would: unknown network, address outside. */
  check(options: AttachOptions): void;
  /**
   * Makes the network of a container that is about to start: its namespace, devices, addresses, published ports.
   * All of it or nothing: what was made is undone before it throws. Throws "internal" in Docker's words for a port
   * that is taken (`driver failed programming external connectivity on endpoint …`), "conflict" for a taken address.
   */
  attach(containerId: string, options: AttachOptions): Promise<Attachment>;
  /** The second half of an attach with `isNamespaceLater`, in the namespace of the process; nothing happens otherwise. */
  moveIn(containerId: string, pid: number): Promise<void>;
  /** Resolves when the container can ask for names; at once when it has nobody to ask for. Throws "internal". */
  ready(containerId: string): Promise<void>;
  /** Takes everything back; nothing happens when there is none. Quick: devices go in the background. */
  detach(containerId: string): void;
  /** Of a container that runs; undefined when it has no network of its own (host, none, container:ID). */
  attachmentOf(containerId: string): Attachment | undefined;
  /** Live: one more network for a container that runs. Throws as `attach`; "denied" when it is on it already. */
  connect(containerId: string, endpoint: EndpointOptions): Promise<Endpoint>;
  /** Throws "denied" `container X is not connected to network Y`. */
  disconnect(containerId: string, network: string): Promise<void>;
  /** New names for the name server and inspect: a container was renamed. */
  rename(containerId: string, containerName: string, names: readonly string[]): void;
  /** All endpoints of a network: who runs on it now. */
  endpointsOn(networkId: string): Endpoint[];
  /** Runs `work`, which must not await, within the container's network namespace: sockets it opens are there. */
  inside<T>(containerId: string, work: () => T): T;

  /**
   * After a start of the engine: containers of an earlier one that still run (id → pid of the first process) keep
   * their networks, ports are bound again and rules put back; what belongs to others is freed.
   */
  adopt(running: ReadonlyMap<string, number>): Promise<void>;
}
