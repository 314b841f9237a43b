import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NETLINK, type NetlinkSocket, openNetlink, rtnetlink } from "../linux/index.ts";
import { addressOf, type Cidr, cidrOf } from "./address.ts";

/** The host's own devices and routes, as far as networks touch them. All calls are synchronous and take some 50 µs. */
export interface Host extends Disposable {
  readonly socket: NetlinkSocket;
  /** Undefined when there is no such device. */
  link(name: string): rtnetlink.Link | undefined;
  /** Takes a device away, if it is there. The kernel takes some 30 ms for it. */
  deleteLink(name: string): void;
  /** Subnets that addresses and routes of the host lie in; those of `except` (a device's index) left out. */
  subnets(except?: number): Cidr[];
  /** Makes the host a router, if it is none; says so. */
  forward(family: 4 | 6): void;
}

export function openHost(options: { readonly onNotice: (message: string) => void }): Host {
  const socket = openNetlink(NETLINK.route);
  const forwarding = new Set<4 | 6>();
  function link(name: string): rtnetlink.Link | undefined {
    const [[reply] = []] = socket.request([rtnetlink.getLink(name)]);
    return reply && rtnetlink.decodeLink(reply);
  }
  return {
    socket,
    link,
    deleteLink(name) {
      const index = link(name)?.index;
      if (index !== undefined) socket.request([rtnetlink.deleteLink({ index })]);
    },
    subnets(except) {
      const [addresses = []] = socket.request([rtnetlink.listAddresses()]);
      const [routes = []] = socket.request([rtnetlink.listRoutes()]);
      return [...addresses.map(rtnetlink.decodeAddress), ...routes.map(rtnetlink.decodeRoute)].flatMap(
        (each) =>
          each === undefined || each.link === except || each.bytes.length === 0
            ? []
            : [cidrOf(addressOf(each.bytes), each.prefix)],
      );
    },
    forward(family) {
      if (forwarding.has(family)) return;
      const path = family === 4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
      if (readSysctl(path) === "0") {
        if (family === 6) keepRouterAdvertisements();
        writeSysctl(path, "1");
        options.onNotice(`IPv${family} forwarding was off: turned on for the networks of containers`);
      }
      forwarding.add(family);
    },
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  };
}

/** A router takes no routes from others unless told to: the host must not lose its own. */
function keepRouterAdvertisements(): void {
  for (const device of readdirSync("/proc/sys/net/ipv6/conf"))
    if (readSysctl(`net/ipv6/conf/${device}/accept_ra`) === "1")
      writeSysctl(`net/ipv6/conf/${device}/accept_ra`, "2");
}

/** Of the network namespace this thread is in. "" when there is none. */
export function readSysctl(path: string): string {
  try {
    return readFileSync(join("/proc/sys", path), "utf8").trim();
  } catch {
    return "";
  }
}

export function writeSysctl(path: string, value: string): void {
  if (readSysctl(path) !== value) writeFileSync(join("/proc/sys", path), value);
}
