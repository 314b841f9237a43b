import { createHash } from "node:crypto";
import { PlyError } from "../error.ts";
import { failedWith, type NetworkNamespace, rtnetlink } from "../linux/index.ts";
import { bytesOf, parseAddress, parseCidr } from "./address.ts";
import type { Endpoint } from "./attachment.ts";
import { type Host, readSysctl, writeSysctl } from "./host.ts";
import { parseMac, randomMac } from "./mac.ts";
import { optionOf } from "./network-option.ts";
import type { Network } from "./networks.ts";

/**
 * Makes the host's bridge of a network if it is not there, with the gateways' addresses. Returns its index, and whether it was made
 * now. Throws "conflict" when the device is no bridge.
 */
export function ensureBridge(
  host: Host,
  network: Network,
): { readonly index: number; readonly isNew: boolean } {
  const { device, subnets } = network;
  const found = host.link(device);
  if (found !== undefined && found.kind !== "bridge")
    throw new PlyError("conflict", `the device ${device} is no bridge`, { details: { device } });
  if (found?.isUp) return { index: found.index, isNew: false };
  const mtu = optionOf.mtu(network.options);
  if (found === undefined)
    // Without a MAC of its own it would have that of a port, and change it as ports come and go.
    host.socket.request([rtnetlink.newBridge({ name: device, mac: randomMac(), mtu })]);
  const index = found?.index ?? host.link(device)?.index ?? 0;
  try {
    trySysctl(`net/ipv6/conf/${device}/accept_ra`, "0");
    // The host's own connections from 127.0.0.1 to published ports leave by it.
    writeSysctl(`net/ipv4/conf/${device}/route_localnet`, "1");
    if (!network.ipv6) trySysctl(`net/ipv6/conf/${device}/disable_ipv6`, "1");
    host.socket.request([
      ...(optionOf.inhibitIpv4(network.options)
        ? []
        : subnets.flatMap(({ subnet, gateway }) =>
            gateway === null
              ? []
              : rtnetlink.newAddress({
                  link: index,
                  bytes: bytesOf(parseAddress(gateway)),
                  prefix: parseCidr(subnet).prefix,
                }),
          )),
      rtnetlink.setLink({ index, up: true }),
    ]);
    return { index, isNew: found === undefined };
  } catch (error) {
    if (found === undefined) host.socket.request([rtnetlink.deleteLink({ index })]);
    throw error;
  }
}

/** Docker's way to name them; unique for the endpoint. */
export const vethName = (endpoint: Pick<Endpoint, "id">): string => `veth${endpoint.id.slice(0, 7)}`;

/** A pair of devices from the bridge into the container's namespace. */
export function plugIntoBridge(
  host: Host,
  network: Network,
  {
    endpoint,
    netns,
    bridge,
  }: { readonly endpoint: Endpoint; readonly netns: NetworkNamespace; readonly bridge: number },
): void {
  const name = vethName(endpoint);
  const mac = parseMac(endpoint.mac);
  const mtu = optionOf.mtu(network.options);
  host.socket.request([
    rtnetlink.newVeth({ name, mtu, master: bridge }, { name: endpoint.device, mac, mtu, netns: netns.fd }),
  ]);
  const index = host.link(name)?.index ?? 0;
  host.socket.request([
    rtnetlink.setLink({ index, withoutLinkLocal: true }),
    rtnetlink.setLink({ index, up: true }),
    ...portSettings(network).map((port) => rtnetlink.setLink({ index, port })),
    // The MAC goes with the address; a port that had it before may not have gone yet.
    rtnetlink.newBridgeNeighbour(index, mac),
  ]);
}

/**
 * Where bridged frames pass the rules for packets (br_netfilter), the rules part containers that may not talk, and a published
 * port may lead a frame back to where it came from. Elsewhere the bridge itself parts them.
 */
function portSettings({ options }: Network): ("isolated" | "hairpin")[] {
  if (readSysctl("net/bridge/bridge-nf-call-iptables") === "1") return ["hairpin"];
  return optionOf.linked(options) ? [] : ["isolated"];
}

/** Asking for a device's state makes the kernel settle it: without, a bridge's new port drops what comes in its first moments. */
export function settlePort(host: Host, endpoint: Endpoint): void {
  host.link(vethName(endpoint));
}

/** The parent of a macvlan or ipvlan network: made where the user says what to make (`eth0.10`), or nothing at all. */
export function ensureParent(host: Host, network: Network): number {
  const { device } = network;
  const found = host.link(device);
  if (found !== undefined) {
    if (!found.isUp) host.socket.request([rtnetlink.setLink({ index: found.index, up: true })]);
    return found.index;
  }
  const [, base, tag] = /^(.+)\.(\d{1,4})$/.exec(device) ?? [];
  const isOwn = optionOf.parent(network.options) === "";
  const parent = base === undefined ? undefined : host.link(base)?.index;
  if (!isOwn && parent === undefined)
    throw new PlyError("not-found", `parent device ${device} of network ${network.name} is not there`, {
      details: { httpStatus: 500, device },
    });
  try {
    host.socket.request([
      isOwn
        ? rtnetlink.newChildLink({ name: device, parent: 0, up: true }, { name: "dummy", data: [] })
        : rtnetlink.newChildLink(
            { name: device, parent: parent ?? 0, up: true },
            { name: "vlan", data: rtnetlink.vlanData(Number(tag)) },
          ),
    ]);
  } catch (error) {
    throw unsupportedKind(error, isOwn ? "dummy" : "vlan");
  }
  return host.link(device)?.index ?? 0;
}

/** A macvlan or ipvlan device over `parent`, in the container's namespace. */
export function plugIntoParent(
  host: Host,
  network: Network,
  {
    endpoint,
    netns,
    parent,
  }: { readonly endpoint: Endpoint; readonly netns: NetworkNamespace; readonly parent: number },
): void {
  const mtu = optionOf.mtu(network.options);
  const isMacvlan = network.driver === "macvlan";
  const link = {
    name: endpoint.device,
    mtu,
    parent,
    netns: netns.fd,
    ...(isMacvlan ? { mac: parseMac(endpoint.mac) } : {}),
  };
  const kind = isMacvlan
    ? { name: "macvlan" as const, data: rtnetlink.macvlanData(optionOf.macvlanMode(network.options)) }
    : {
        name: "ipvlan" as const,
        data: rtnetlink.ipvlanData(
          optionOf.ipvlanMode(network.options),
          optionOf.ipvlanFlag(network.options),
        ),
      };
  try {
    host.socket.request([rtnetlink.newChildLink(link, kind)]);
  } catch (error) {
    throw unsupportedKind(error, kind.name);
  }
}

function unsupportedKind(error: unknown, kind: string): unknown {
  return failedWith(error, "EOPNOTSUPP")
    ? new PlyError("unsupported", `this kernel has no ${kind} devices`, {
        cause: error,
        details: { httpStatus: 500 },
      })
    : error;
}

/** What a macvlan or ipvlan network without a parent of the user's hangs on. */
export const ownParentName = (networkId: string): string => `dm-${networkId.slice(0, 12)}`;

/** Names of an engine's own on the host: two engines with different roots never meet. */
export function engineNames(root: string): { readonly bridge: string; readonly table: string } {
  if (root === DEFAULT_ROOT) return { bridge: "ply0", table: "ply" };
  const tag = createHash("sha256").update(root).digest("hex").slice(0, 8);
  return { bridge: `ply-${tag}`, table: `ply-${tag}` };
}
const DEFAULT_ROOT = "/var/lib/ply";

function trySysctl(path: string, value: string): void {
  if (readSysctl(path) !== "") writeSysctl(path, value);
}
