import {
  createNetworkNamespace,
  NETLINK,
  type NetworkNamespace,
  openNetlink,
  openNetworkNamespace,
  rtnetlink,
} from "../linux/index.ts";
import { bytesOf, lastOf, parseAddress, parseCidr } from "./address.ts";
import type { Endpoint } from "./attachment.ts";
import { writeSysctl } from "./host.ts";

/** Docker's settings of a container's own network: low ports and pings take no privilege. */
const SYSCTLS: readonly (readonly [path: string, value: string])[] = [
  ["net/ipv4/ip_unprivileged_port_start", "0"],
  ["net/ipv4/ping_group_range", "0 2147483647"],
  // A device gets IPv6 with its first address of that kind, not before.
  ["net/ipv6/conf/default/disable_ipv6", "1"],
];
const LOOPBACK_INDEX = 1;

/** A namespace for a container that is about to start. */
export { createNetworkNamespace as makeSandbox };

/** Docker's settings, and the loopback device up. */
export function prepareSandbox(netns: NetworkNamespace): void {
  netns.run(() => {
    for (const [path, value] of SYSCTLS) trySysctl(path, value);
    using socket = openNetlink(NETLINK.route);
    socket.request([rtnetlink.setLink({ index: LOOPBACK_INDEX, up: true })]);
  });
}

/** The one that a process is in. */
export const sandboxOf = (pid: number): NetworkNamespace => openNetworkNamespace(`/proc/${pid}/ns/net`);

/** A kernel may have been built without one of them. */
function trySysctl(path: string, value: string): void {
  try {
    writeSysctl(path, value);
  } catch {
    return;
  }
}

/** Brings devices up with their addresses. */
export function configureDevices(netns: NetworkNamespace, endpoints: readonly Endpoint[]): void {
  netns.run(() => {
    using socket = openNetlink(NETLINK.route);
    for (const { device, ipv4, ipv6, options } of endpoints) {
      const linkLocal = (options.linkLocal ?? []).map(parseAddress);
      if (ipv6 !== null || linkLocal.some(({ family }) => family === 6))
        trySysctl(`net/ipv6/conf/${device}/disable_ipv6`, "0");
      const index = indexOf(socket, device);
      socket.request([
        rtnetlink.setLink({ index, up: true }),
        ...[ipv4, ipv6].flatMap((given) => {
          if (given === null) return [];
          const { family, value } = parseAddress(given.address);
          const subnet = parseCidr(`${given.address}/${given.prefix}`);
          return rtnetlink.newAddress({
            link: index,
            bytes: bytesOf({ family, value }),
            prefix: given.prefix,
            ...(family === 4 && given.prefix < 31
              ? { broadcast: bytesOf({ family, value: lastOf(subnet) }) }
              : {}),
          });
        }),
        ...linkLocal.map((address) =>
          rtnetlink.newAddress({
            link: index,
            bytes: bytesOf(address),
            prefix: address.family === 4 ? 16 : 64,
          }),
        ),
      ]);
    }
  });
}

/** Where the default route of a family goes: by a gateway, or (null) straight out of the device. */
export interface DefaultRoute {
  readonly family: 4 | 6;
  readonly device: string;
  readonly gateway: string | null;
}

/** Makes these the default routes; a family that is not among them has none. */
export function setDefaultRoutes(netns: NetworkNamespace, routes: readonly DefaultRoute[]): void {
  netns.run(() => {
    using socket = openNetlink(NETLINK.route);
    for (const family of [4, 6] as const) {
      const route = routes.find((each) => each.family === family);
      // IPv6 would keep the old one beside the new.
      socket.request([rtnetlink.deleteDefaultRoute(family)]);
      if (route === undefined) continue;
      const gateway = route.gateway === null ? null : bytesOf(parseAddress(route.gateway));
      socket.request([
        rtnetlink.newRoute({ destination: null, gateway, link: indexOf(socket, route.device), family }),
      ]);
    }
  });
}

/** Takes a device away; what was on it goes with it. */
export function removeDevice(netns: NetworkNamespace, device: string): void {
  netns.run(() => {
    using socket = openNetlink(NETLINK.route);
    socket.request([rtnetlink.deleteLink({ name: device })]);
  });
}

function indexOf(socket: ReturnType<typeof openNetlink>, device: string): number {
  const [[reply] = []] = socket.request([rtnetlink.getLink(device)]);
  if (reply === undefined) throw new Error(`no device ${device} in the container's network`);
  return rtnetlink.decodeLink(reply).index;
}
