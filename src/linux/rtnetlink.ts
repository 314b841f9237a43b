import {
  attribute,
  decodeAttributes,
  type NetlinkMessage,
  type NetlinkReply,
  NLM,
  nested,
  text,
  textOf,
  u16,
  u32,
} from "./netlink.ts";

/** rtnetlink(7): the messages that make and unmake devices, addresses and routes. Addresses are 4 or 16 bytes. */
const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  getAddress: 22,
  newRoute: 24,
  getRoute: 26,
  newNeighbour: 28,
};
const IFLA = { address: 1, name: 3, mtu: 4, link: 5, master: 10, linkInfo: 18, afSpec: 26, netnsFd: 28 };
const INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 };
const VETH_INFO_PEER = 1;
const BRIDGE_PORT = { hairpin: 4, isolated: 33 };
const IFF_UP = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_BRIDGE = 7;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 };
const IFA_F_NODAD = 2;
const RTA = { destination: 1, outDevice: 4, gateway: 5, table: 15 };
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const NUD_NOARP = 0x40;
const NTF_MASTER = 4;
const NDA_LLADDR = 2;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `aa:bb:…`; "" for devices without. */
  readonly mac: string;
  /** `bridge`, `veth`, `macvlan`, …; "" for real ones. */
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Index of the bridge it is a port of, 0: none. */
  readonly master: number;
}

function linkHeader({
  index = 0,
  up = false,
}: {
  readonly index?: number;
  readonly up?: boolean;
} = {}): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (up) {
    header.writeUInt32LE(IFF_UP, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

const optional = (attributes: readonly (Buffer | false)[]): Buffer[] =>
  attributes.filter((each): each is Buffer => each !== false);

/** Link-local addresses are left out where nobody asked for IPv6: they cost a second of probing. */
const noLinkLocal = (): Buffer => nested(IFLA.afSpec, nested(AF_INET6, attribute(8, Buffer.from([1]))));

export interface NewLink {
  readonly name: string;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  readonly up?: boolean;
}

function linkAttributes({ name, mac, mtu = 0 }: NewLink): Buffer[] {
  return optional([
    attribute(IFLA.name, text(name)),
    mac !== undefined && attribute(IFLA.address, mac),
    mtu > 0 && attribute(IFLA.mtu, u32(mtu)),
  ]);
}

const create = (what: string, payload: Buffer): NetlinkMessage => ({
  type: RTM.newLink,
  flags: NLM.create | NLM.excl,
  payload,
  what,
});

export function newBridge(link: NewLink): NetlinkMessage {
  return create(
    `add bridge ${link.name}`,
    Buffer.concat([
      linkHeader({ up: link.up === true }),
      ...linkAttributes(link),
      nested(IFLA.linkInfo, attribute(INFO.kind, text("bridge"))),
    ]),
  );
}

/** A pair of devices: one here, a port of the bridge `master`; its peer within a namespace, and down: it comes first. */
export function newVeth(
  link: NewLink & { readonly master: number },
  peer: Omit<NewLink, "up"> & { readonly netns: number },
): NetlinkMessage {
  const peerInfo = nested(
    VETH_INFO_PEER,
    linkHeader(),
    ...linkAttributes(peer),
    attribute(IFLA.netnsFd, u32(peer.netns)),
  );
  return create(
    `add veth ${link.name}`,
    Buffer.concat([
      linkHeader({ up: link.up === true }),
      ...linkAttributes(link),
      attribute(IFLA.master, u32(link.master)),
      nested(IFLA.linkInfo, attribute(INFO.kind, text("veth")), nested(INFO.data, peerInfo)),
    ]),
  );
}

/** A device on top of another one (`parent`, an index here), within a namespace. */
export function newChildLink(
  link: NewLink & { readonly netns?: number; readonly parent: number },
  kind: { readonly name: "macvlan" | "ipvlan" | "vlan" | "dummy"; readonly data: readonly Buffer[] },
): NetlinkMessage {
  return create(
    `add ${kind.name} ${link.name}`,
    Buffer.concat([
      linkHeader({ up: link.up === true }),
      ...linkAttributes(link),
      ...optional([
        link.parent > 0 && attribute(IFLA.link, u32(link.parent)),
        link.netns !== undefined && attribute(IFLA.netnsFd, u32(link.netns)),
      ]),
      nested(
        IFLA.linkInfo,
        attribute(INFO.kind, text(kind.name)),
        ...(kind.data.length === 0 ? [] : [nested(INFO.data, ...kind.data)]),
      ),
    ]),
  );
}

export const macvlanData = (mode: "private" | "vepa" | "bridge" | "passthru"): Buffer[] => [
  attribute(1, u32({ private: 1, vepa: 2, bridge: 4, passthru: 8 }[mode])),
];
export const ipvlanData = (mode: "l2" | "l3" | "l3s", flag: "bridge" | "private" | "vepa"): Buffer[] => [
  attribute(1, u16({ l2: 0, l3: 1, l3s: 2 }[mode])),
  attribute(2, u16({ bridge: 0, private: 1, vepa: 2 }[flag])),
];
export const vlanData = (id: number): Buffer[] => [attribute(1, u16(id))];

/** Changes a device, by index; without `up` it stays as it is. */
export function setLink(change: {
  readonly index: number;
  readonly up?: boolean;
  readonly name?: string;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  readonly withoutLinkLocal?: boolean;
  /** As a bridge's port: it does not talk to other isolated ports (`isolated`), frames may go back where they came from (`hairpin`). */
  readonly port?: "isolated" | "hairpin";
}): NetlinkMessage {
  const { index, up, name, mac, mtu, withoutLinkLocal, port } = change;
  return {
    type: RTM.newLink,
    flags: 0,
    what: `set link ${name ?? index}`,
    payload: Buffer.concat([
      linkHeader({ index, up: up === true }),
      ...optional([
        name !== undefined && attribute(IFLA.name, text(name)),
        mac !== undefined && attribute(IFLA.address, mac),
        mtu !== undefined && mtu > 0 && attribute(IFLA.mtu, u32(mtu)),
        withoutLinkLocal === true && noLinkLocal(),
        port !== undefined &&
          nested(
            IFLA.linkInfo,
            attribute(INFO.slaveKind, text("bridge")),
            nested(INFO.slaveData, attribute(BRIDGE_PORT[port], Buffer.from([1]))),
          ),
      ]),
    ]),
  };
}

/** By name or index; none there is fine. */
export function deleteLink(link: { readonly name: string } | { readonly index: number }): NetlinkMessage {
  return {
    type: RTM.delLink,
    flags: 0,
    passes: ["ENODEV"],
    what: `delete link ${"name" in link ? link.name : link.index}`,
    payload: Buffer.concat([
      linkHeader("index" in link ? { index: link.index } : {}),
      ...("name" in link ? [attribute(IFLA.name, text(link.name))] : []),
    ]),
  };
}

export function getLink(name: string): NetlinkMessage {
  return {
    type: RTM.getLink,
    flags: 0,
    passes: ["ENODEV"],
    what: `get link ${name}`,
    payload: Buffer.concat([linkHeader(), attribute(IFLA.name, text(name))]),
  };
}

export function decodeLink({ payload }: NetlinkReply): Link {
  const attributes = decodeAttributes(payload.subarray(16));
  const info = attributes.get(IFLA.linkInfo);
  const kind = info === undefined ? undefined : decodeAttributes(info).get(INFO.kind);
  return {
    index: payload.readInt32LE(4),
    name: textOf(attributes.get(IFLA.name) ?? Buffer.alloc(0)),
    mac: (attributes.get(IFLA.address)?.toString("hex") ?? "").replace(/..(?=.)/g, "$&:"),
    kind: kind === undefined ? "" : textOf(kind),
    mtu: attributes.get(IFLA.mtu)?.readUInt32LE(0) ?? 0,
    isUp: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    master: attributes.get(IFLA.master)?.readUInt32LE(0) ?? 0,
  };
}

const familyOf = (address: Uint8Array): number => (address.length === 4 ? AF_INET : AF_INET6);

/** IPv6 addresses are used at once: nobody else has one that we hand out. */
export function newAddress(address: {
  readonly link: number;
  readonly bytes: Uint8Array;
  readonly prefix: number;
  readonly broadcast?: Uint8Array;
}): NetlinkMessage {
  const { link, bytes, prefix, broadcast } = address;
  const header = Buffer.alloc(8);
  header[0] = familyOf(bytes);
  header[1] = prefix;
  header.writeUInt32LE(link, 4);
  return {
    type: RTM.newAddress,
    flags: NLM.create | NLM.replace,
    what: "add address",
    payload: Buffer.concat([
      header,
      attribute(IFA.local, bytes),
      attribute(IFA.address, bytes),
      ...optional([
        broadcast !== undefined && attribute(IFA.broadcast, broadcast),
        bytes.length === 16 && attribute(IFA.flags, u32(IFA_F_NODAD)),
      ]),
    ]),
  };
}

export interface HostSubnet {
  readonly bytes: Buffer;
  readonly prefix: number;
  /** Index of the device; 0: none. */
  readonly link: number;
}

export const listAddresses = (): NetlinkMessage => ({
  type: RTM.getAddress,
  flags: NLM.dump,
  what: "list addresses",
  payload: Buffer.alloc(8),
});

export function decodeAddress({ payload }: NetlinkReply): HostSubnet {
  const attributes = decodeAttributes(payload.subarray(8));
  const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address) ?? Buffer.alloc(0);
  return { bytes, prefix: payload[1] ?? 0, link: payload.readUInt32LE(4) };
}

export interface Route {
  /** Null: the default route. */
  readonly destination: { readonly bytes: Uint8Array; readonly prefix: number } | null;
  readonly gateway: Uint8Array | null;
  readonly link: number;
  /** Which of the two protocols, where neither address says it. */
  readonly family?: 4 | 6;
}

function routeMessage({ destination, gateway, link, family }: Route) {
  const address = destination?.bytes ?? gateway;
  const header = Buffer.alloc(12);
  header[0] = address ? familyOf(address) : family === 6 ? AF_INET6 : AF_INET;
  header[1] = destination?.prefix ?? 0;
  header[4] = RT_TABLE_MAIN;
  header[5] = RTPROT_BOOT;
  header[6] = gateway === null ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header[7] = RTN_UNICAST;
  return Buffer.concat([
    header,
    ...optional([
      destination !== null && attribute(RTA.destination, destination.bytes),
      gateway !== null && attribute(RTA.gateway, gateway),
      attribute(RTA.outDevice, u32(link)),
    ]),
  ]);
}

export const newRoute = (route: Route): NetlinkMessage => ({
  type: RTM.newRoute,
  flags: NLM.create | NLM.replace,
  what: route.destination === null ? "add default route" : "add route",
  payload: routeMessage(route),
});

/** Whatever it goes by; none there is fine. */
export function deleteDefaultRoute(family: 4 | 6): NetlinkMessage {
  const header = Buffer.alloc(12);
  header[0] = family === 6 ? AF_INET6 : AF_INET;
  header[4] = RT_TABLE_MAIN;
  header[6] = RT_SCOPE_NOWHERE;
  return {
    type: RTM.newRoute + 1,
    flags: 0,
    passes: ["ESRCH", "ENOENT"],
    what: "delete default route",
    payload: header,
  };
}

export const listRoutes = (): NetlinkMessage => ({
  type: RTM.getRoute,
  flags: NLM.dump,
  what: "list routes",
  payload: Buffer.alloc(12),
});

/** Undefined for the default route, and for those of other tables than the main one. */
export function decodeRoute({ payload }: NetlinkReply): HostSubnet | undefined {
  const attributes = decodeAttributes(payload.subarray(12));
  const bytes = attributes.get(RTA.destination);
  const table = attributes.get(RTA.table)?.readUInt32LE(0) ?? payload[4];
  if (bytes === undefined || table !== RT_TABLE_MAIN || payload[7] !== RTN_UNICAST) return undefined;
  return { bytes, prefix: payload[1] ?? 0, link: attributes.get(RTA.outDevice)?.readUInt32LE(0) ?? 0 };
}

/** Frames for `mac` go to this port of a bridge from now on, whoever had the address before. */
export function newBridgeNeighbour(link: number, mac: Uint8Array): NetlinkMessage {
  const header = Buffer.alloc(12);
  header[0] = AF_BRIDGE;
  header.writeInt32LE(link, 4);
  // Without ageing: it may be set before the port has its carrier, and goes with the port.
  header.writeUInt16LE(NUD_NOARP, 8);
  header[10] = NTF_MASTER;
  return {
    type: RTM.newNeighbour,
    flags: NLM.create | NLM.replace,
    what: "set bridge neighbour",
    payload: Buffer.concat([header, attribute(NDA_LLADDR, mac)]),
  };
}
