import { writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { readText } from "../host-file.ts";
import { type Attachment, DNS_ADDRESS, type Endpoint, parseResolvConf } from "../network/index.ts";
import type { HostSettings } from "./host-settings.ts";
import type { OwnName } from "./own-name.ts";

/** What /etc says of the networks that a container is on. */

type DnsSettings = Pick<HostSettings, "dns" | "dnsSearch" | "dnsOptions">;

/** Its own addresses, a line each. */
export function ownHostsLines(endpoints: readonly Endpoint[], name: OwnName): string[] {
  const names = hostsNames(name);
  return endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((own) => (own === null ? [] : [`${own.address}\t${names}\n`])),
  );
}

/** The whole name first, as hostname(1) -f wants it. */
function hostsNames({ hostname, domainname }: OwnName): string {
  if (domainname !== "") return `${hostname}.${domainname} ${hostname}`;
  const [short = ""] = hostname.split(".", 1);
  return short === hostname ? hostname : `${hostname} ${short}`;
}

/**
 * A link on the default bridge, whose names are served by nobody: the other's address with the alias and its own names.
 * A link of a network of users is the name server's.
 */
export function linkedHostsLines(attachment: Pick<Attachment, "endpoints">, others: Others): string[] {
  return resolveLinks(attachment, others).map(({ alias, address, other }) => {
    const names = new Set([alias, other.containerId.slice(0, 12), other.containerName]);
    return `${address}\t${[...names].join(" ")}\n`;
  });
}

/** Who is on a network now. */
export type Others = (networkId: string) => readonly Endpoint[];

/** Links on the default bridge to containers that run. */
export function resolveLinks(
  { endpoints }: Pick<Attachment, "endpoints">,
  others: Others,
): { readonly alias: string; readonly address: string; readonly other: Endpoint }[] {
  const own = endpoints.find(isOnBridge);
  if (own === undefined) return [];
  return (own.options.links ?? []).flatMap((link) => {
    const target = linkTarget(link);
    const other = others(own.networkId).find(
      ({ containerName, containerId }) => containerName === target || containerId.startsWith(target),
    );
    return other?.ipv4 == null ? [] : [{ alias: linkAlias(link), address: other.ipv4.address, other }];
  });
}

/** The container that a link (`[/]container[:alias]`) is about. */
export function linkTarget(link: string): string {
  const [target = ""] = link.split(":");
  return target.replace(/^\//, "");
}

/** What the container that has the link calls it. */
export function linkAlias(link: string): string {
  const [, alias = linkTarget(link)] = link.split(":");
  return alias;
}

/** True when its names are served at {@link DNS_ADDRESS}. */
function isServed({ endpoints }: Pick<Attachment, "endpoints">): boolean {
  return endpoints.some((endpoint) => !isOnBridge(endpoint));
}

function isOnBridge({ networkName }: Endpoint): boolean {
  return networkName === "bridge";
}

/** What Docker gives containers of the default bridge whose host has none but loopback's own. */
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];

/** resolv.conf of a container with networks of its own, from the host's. */
export function attachedResolvConf(
  host: string,
  settings: DnsSettings,
  attachment: Pick<Attachment, "endpoints">,
): string {
  const found = parseResolvConf(host);
  const { dns = [], dnsSearch = [], dnsOptions = [] } = settings;
  // A lone dot: no search list at all.
  const search = (dnsSearch.length > 0 ? dnsSearch : found.search).filter((domain) => domain !== ".");
  const options = [...(dnsOptions.length > 0 ? dnsOptions : found.options)];
  const served = isServed(attachment);
  if (served && !options.some((option) => option.startsWith("ndots:"))) options.push("ndots:0");
  const hasIpv6 = attachment.endpoints.some(({ ipv6 }) => ipv6 !== null);
  const reachable = found.servers.filter((server) => !isLoopback(server) && (hasIpv6 || !isIPv6(server)));
  const own = dns.length > 0 ? dns : reachable.length > 0 ? reachable : PUBLIC_SERVERS;
  const lines = [
    ...(served ? [DNS_ADDRESS] : own).map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(" ")}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(" ")}`]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** systemd-resolved's own list, behind the server on loopback that is in /etc/resolv.conf. */
const RESOLVED_CONF = "/run/systemd/resolve/resolv.conf";

/** The host's resolv.conf as containers on bridges can use it; "" without one. */
export function hostResolvConf(path = "/etc/resolv.conf", resolved = RESOLVED_CONF): string {
  const text = readText(path);
  const { servers } = parseResolvConf(text);
  return servers.length > 0 && servers.every((server) => server === "127.0.0.53")
    ? readText(resolved, text)
    : text;
}

/**
 * Brings the files of a container that runs in line with networks that have changed. What was edited inside stays: of
 * hosts only the lines about its own addresses change, resolv.conf only when nobody touched it.
 */
export function updateEtcFiles(
  dir: string,
  change: { readonly before: Pick<Attachment, "endpoints">; readonly after: Pick<Attachment, "endpoints"> },
  own: { readonly name: OwnName; readonly settings: DnsSettings },
): void {
  const before = ownHostsLines(change.before.endpoints, own.name);
  const after = ownHostsLines(change.after.endpoints, own.name);
  edit(join(dir, "hosts"), (text) => {
    const whole = text === "" || text.endsWith("\n") ? text : `${text}\n`;
    const kept = whole.split(/(?<=\n)/).filter((line) => !before.includes(line) || after.includes(line));
    return [...kept, ...after.filter((line) => !before.includes(line))].join("");
  });
  const host = hostResolvConf();
  const old = attachedResolvConf(host, own.settings, change.before);
  edit(join(dir, "resolv.conf"), (text) =>
    text === old ? attachedResolvConf(host, own.settings, change.after) : text,
  );
}

/** In place: the file is mounted. */
function edit(path: string, change: (text: string) => string): void {
  const text = readText(path);
  const changed = change(text);
  if (changed !== text) writeFileSync(path, changed);
}
