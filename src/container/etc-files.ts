import { lstatSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import type { OciMount } from "../runtime/index.ts";
import { attachedResolvConf, hostResolvConf, ownHostsLines } from "./etc-network.ts";
import type { HostSettings } from "./host-settings.ts";
import type { LaunchNetwork } from "./networking.ts";
import type { OwnName } from "./own-name.ts";

const LOCALHOST = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

const FILES = ["hostname", "hosts", "resolv.conf"] as const;

/** The files of /etc that say who and where a container is, mounted over the image's. `idMapped`: in a user namespace they are its root's. */
export function etcMounts(dir: string, idMapped: boolean): OciMount[] {
  return FILES.map((name) => ({
    destination: `/etc/${name}`,
    type: "bind",
    source: join(dir, name),
    options: ["rbind", "rprivate", ...(idMapped ? ["idmap"] : [])],
  }));
}

/**
 * Those that have a place beside the mounts a container is given. In a step of a build what the Dockerfile mounts over them hides them, as
 * BuildKit does: nothing of ours may come into a cache. Elsewhere they are made within such a mount, if it is not read-only.
 */
export function etcMountsBeside(
  given: readonly OciMount[],
  etc: readonly OciMount[],
  isStep: boolean | undefined,
): readonly OciMount[] {
  return etc.filter(({ destination: file }) => {
    const [over] = given
      .filter(({ destination }) => file.startsWith(`${destination}/`))
      .sort((a, b) => b.destination.length - a.destination.length);
    if (over === undefined) return true;
    if (isStep) return false;
    if (!over.options.includes("ro")) return true;
    const place = join(over.source, file.slice(over.destination.length));
    return lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  });
}

/** Writes them. With the host's network they are copies of the host's, with what was asked for on top. */
export async function writeEtcFiles(
  dir: string,
  options: { readonly network: LaunchNetwork; readonly name: OwnName; readonly settings: HostSettings },
): Promise<void> {
  const { network, name, settings } = options;
  const { attachment } = network;
  const hosts = network.kind === "host" ? readText("/etc/hosts", LOCALHOST) : LOCALHOST;
  const resolv = attachment === undefined ? readText("/etc/resolv.conf") : await hostResolvConf();
  const own = attachment === undefined ? [] : ownHostsLines(attachment.endpoints, name);
  const files: Readonly<Record<(typeof FILES)[number], string>> = {
    hostname: `${name.hostname}\n`,
    hosts:
      withExtraHosts(hosts, settings.extraHosts ?? [], () => hostAddress(network)) +
      [...network.linkedHosts, ...own].join(""),
    "resolv.conf":
      attachment === undefined
        ? resolvConf(resolv, settings)
        : attachedResolvConf(resolv, settings, attachment),
  };
  for (const file of FILES) writeFileSync(join(dir, file), files[file], { mode: 0o644 });
}

/** `name:address` (the address may be IPv6, in brackets or not). Throws "invalid" in Docker's words. */
export function parseExtraHost(text: string): { readonly name: string; readonly address: string } {
  const at = text.search(/[:=]/);
  const name = at < 0 ? "" : text.slice(0, at);
  const address = at < 0 ? "" : text.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  if (name === "" || /\s/.test(name)) throw new PlyError("invalid", `bad format for add-host: "${text}"`);
  if (address !== "host-gateway" && isIP(address) === 0)
    throw new PlyError("invalid", `invalid IP address in add-host: "${address}"`);
  return { name, address };
}

function withExtraHosts(hosts: string, extra: readonly string[], gateway: () => string): string {
  const lines = extra.map((text) => {
    const { name, address } = parseExtraHost(text);
    return `${address === "host-gateway" ? gateway() : address}\t${name}\n`;
  });
  return (hosts === "" || hosts.endsWith("\n") ? hosts : `${hosts}\n`) + lines.join("");
}

/** Where a container reaches this host: at home with its network, on its own bridge, else where the world does. */
function hostAddress({ kind, hostGateway }: LaunchNetwork): string {
  if (kind === "host") return "127.0.0.1";
  if (hostGateway !== undefined) return hostGateway;
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

/** The host's resolv.conf, each kind of line replaced by those that were asked for. */
export function resolvConf(
  host: string,
  { dns = [], dnsSearch = [], dnsOptions = [] }: Pick<HostSettings, "dns" | "dnsSearch" | "dnsOptions">,
): string {
  if (dns.length + dnsSearch.length + dnsOptions.length === 0) return host;
  const kept = (kinds: readonly string[]) =>
    host.split("\n").filter((line) => kinds.includes(/^\s*(\w+)\s/.exec(line)?.[1] ?? ""));
  // A lone dot: no search list at all.
  const search = dnsSearch.filter((domain) => domain !== ".");
  const lines = [
    ...(dns.length > 0 ? dns.map((server) => `nameserver ${server}`) : kept(["nameserver"])),
    ...(dnsSearch.length === 0
      ? kept(["search", "domain"])
      : search.length === 0
        ? []
        : [`search ${search.join(" ")}`]),
    ...(dnsOptions.length > 0 ? [`options ${dnsOptions.join(" ")}`] : kept(["options"])),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Throws "invalid" for what no resolver could read. */
export function checkDns({ dns = [], dnsSearch = [], dnsOptions = [] }: HostSettings): void {
  for (const server of dns)
    if (isIP(server) === 0) throw new PlyError("invalid", `${server} is not an IP address: bad DNS server`);
  for (const word of [...dnsSearch, ...dnsOptions])
    if (word === "" || /\s/.test(word))
      throw new PlyError("invalid", `${word} is not a valid domain or option`);
}
