export type PortProtocol = "tcp" | "udp" | "sctp";

/** One `-p`, ranges of container ports already taken apart. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: PortProtocol;
  /** "" or absent: all addresses, IPv4 and IPv6 (or the network's `host_binding_ipv4`). */
  readonly hostAddress?: string;
  /** First and last candidate; absent: any of the ephemeral range. */
  readonly hostPorts?: readonly [first: number, last: number];
}

/** A port of a running container that the host answers on. */
export interface PublishedPort {
  readonly containerPort: number;
  readonly protocol: PortProtocol;
  /** `0.0.0.0`, `::`, `127.0.0.1`: one entry each, as Docker lists them. */
  readonly hostAddress: string;
  readonly hostPort: number;
}
