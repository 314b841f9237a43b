import { isIPv4 } from "node:net";
import { concatenated, type SetElement } from "../linux/index.ts";
import { bytesOf, lastOf, parseAddress, parseCidr } from "./address.ts";
import type { Neighbours } from "./neighbours.ts";
import type { PortProtocol } from "./port.ts";

/** A bridge of ours, as the rules see it. */
export interface BridgeRules {
  readonly device: string;
  readonly internal: boolean;
  /** Containers on it may talk to each other. */
  readonly linked: boolean;
  readonly masquerade: boolean;
  readonly subnets: readonly string[];
}

/** What comes to this port of the host goes to that one of a container; both addresses of one family. */
export interface PortRule {
  readonly protocol: PortProtocol;
  /** `0.0.0.0` and `::`: all of the host's. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerAddress: string;
  readonly containerPort: number;
}

/**
 * All rules of an engine, in one table of its own (nft(8)). They are written once; networks and ports come and go as
 * elements. Nothing here lets through what a table of others drops: each table of the host has its say.
 */
export function tableText(table: string, { dropIncoming }: Pick<Neighbours, "dropIncoming">): string {
  // Where the host decides what may come in, it decides about published ports too: the engine listens and passes on.
  const asHost = dropIncoming ? 'iifname != "lo" iifname != @bridges meta l4proto tcp return' : "";
  return `
add table inet ${table}
delete table inet ${table}
table inet ${table} {
  set bridges { type ifname; }
  set internal { type ifname; }
  # From bridge to bridge: the same one, where its containers may talk to each other.
  set linked { type ifname . ifname; }
  set own4 { type ifname . ipv4_addr; flags interval; }
  set own6 { type ifname . ipv6_addr; flags interval; }
  set masqueraded4 { type ifname . ipv4_addr; flags interval; }
  set masqueraded6 { type ifname . ipv6_addr; flags interval; }
  # Published ports: on all addresses of the host, or at one of them.
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  map at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }

  chain raw {
    type filter hook prerouting priority raw; policy accept;
    # Bridges route 127.0.0.0/8 for the host's own connections to published ports; containers have no business there.
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname != @bridges oifname != @bridges accept
    ct state established,related accept
    iifname . oifname @linked accept
    iifname @internal drop
    oifname @internal drop
    # New connections reach a container through a published port only, also from other networks.
    oifname @bridges ct status dnat accept
    oifname @bridges drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    # Neighbours cannot reach what is published on the loopback address.
    iifname != "lo" ip daddr 127.0.0.0/8 return
    ${asHost}
    fib daddr type local jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    # The kernel does not route ::1 to a bridge; the engine passes these connections on.
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain published {
    dnat ip to ip daddr . meta l4proto . th dport map @at4
    dnat ip to meta l4proto . th dport map @any4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6
    dnat ip6 to meta l4proto . th dport map @any6
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    # From a container through the host to one of its own network: the answer must come back the same way.
    ct status dnat oifname . ip saddr @own4 masquerade
    ct status dnat oifname . ip6 saddr @own6 masquerade
    oifname . ip saddr @own4 accept
    oifname . ip6 saddr @own6 accept
    iifname . ip saddr @masqueraded4 masquerade
    iifname . ip6 saddr @masqueraded6 masquerade
  }
}
`;
}

const IFNAMSIZ = 16;
const PROTOCOL_NUMBERS: Readonly<Record<PortProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

function deviceKey(name: string): Buffer {
  const key = Buffer.alloc(IFNAMSIZ);
  key.write(name);
  return key;
}

export function bridgeElements({ device, internal, linked, masquerade, subnets }: BridgeRules): SetElement[] {
  const name = deviceKey(device);
  const elements: SetElement[] = [{ set: "bridges", key: name }];
  if (internal) elements.push({ set: "internal", key: name });
  if (linked) elements.push({ set: "linked", key: concatenated(name, name) });
  for (const subnet of subnets) {
    const cidr = parseCidr(subnet);
    const { family, base } = cidr;
    const key = concatenated(name, bytesOf({ family, value: base }));
    const keyEnd = concatenated(name, bytesOf({ family, value: lastOf(cidr) }));
    elements.push({ set: `own${family}`, key, keyEnd });
    if (masquerade && !internal) elements.push({ set: `masqueraded${family}`, key, keyEnd });
  }
  return elements;
}

export function portElement(rule: PortRule): SetElement {
  const { protocol, hostAddress, hostPort, containerAddress, containerPort } = rule;
  const address = parseAddress(hostAddress);
  const isAny = address.value === 0n;
  return {
    set: `${isAny ? "any" : "at"}${isIPv4(hostAddress) ? 4 : 6}`,
    key: concatenated(
      ...(isAny ? [] : [bytesOf(address)]),
      Buffer.from([PROTOCOL_NUMBERS[protocol]]),
      portBytes(hostPort),
    ),
    data: concatenated(bytesOf(parseAddress(containerAddress)), portBytes(containerPort)),
  };
}

const portBytes = (port: number): Buffer => Buffer.from([port >> 8, port & 0xff]);
