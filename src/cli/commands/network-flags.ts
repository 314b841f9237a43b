import type { DockerEndpointConfig, DockerHostConfig } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { publishAddress } from "./publish-address.ts";
import { portFlags } from "./publish-flag.ts";

/** The networks of a container and what it publishes. */
export const NETWORK_FLAGS = {
  network: {
    kind: "list",
    value: "NETWORK",
    complete: "network",
    help: "Network: its name, host, none, container:NAME; or name=N,alias=A,ip=1.2.3.4,…",
  },
  net: { kind: "list", value: "NETWORK", complete: "network", help: "The same as --network" },
  publish: {
    kind: "list",
    short: "p",
    value: "[[IP:]HOST-PORT:]PORT",
    help: "Publish a port or a range (/udp, /sctp); on 127.0.0.1 unless an address is given: 0.0.0.0 is for everybody",
  },
  "publish-all": {
    kind: "bool",
    short: "P",
    help: "Publish all exposed ports on random ports, where -p does",
  },
  expose: { kind: "list", value: "PORT[/PROTO]", help: "Expose a port, or a range" },
  "network-alias": { kind: "list", value: "NAME", help: "One more name on its network" },
  "net-alias": { kind: "list", value: "NAME", help: "The same as --network-alias" },
  ip: { kind: "string", value: "ADDRESS", help: "IPv4 address on its network" },
  ip6: { kind: "string", value: "ADDRESS", help: "IPv6 address on its network" },
  "link-local-ip": { kind: "list", value: "ADDRESS", help: "Link-local address" },
  "mac-address": { kind: "string", value: "MAC", help: "MAC address on its network" },
  link: {
    kind: "list",
    value: "CONTAINER[:ALIAS]",
    complete: "running",
    help: "A name of one's own for another container",
  },
} as const satisfies FlagSpecs;

type NetworkFlags = FlagValues<typeof NETWORK_FLAGS>;

/** A network of `--network`, with what was asked of it. */
interface Wanted {
  readonly name: string;
  readonly endpoint: DockerEndpointConfig;
}

/** The parts of a create request. Throws UsageError in Docker's words. */
export function networkRequest(
  flags: NetworkFlags,
  env: Readonly<Record<string, string | undefined>>,
): {
  readonly config: {
    readonly ExposedPorts?: Readonly<Record<string, object>>;
    readonly NetworkingConfig?: object;
  };
  readonly hostConfig: DockerHostConfig;
} {
  const { ExposedPorts, PortBindings } = portFlags(flags, () => publishAddress(env));
  const wanted = wantedNetworks(flags);
  const [first] = wanted;
  const mode = first?.name ?? "default";
  // One of Docker's own alone, with nothing asked of it, is what the mode says.
  const endpoints = wanted.filter(
    ({ name, endpoint }) => wanted.length > 1 || isUserDefined(name) || Object.keys(endpoint).length > 0,
  );
  return {
    config: {
      ...(ExposedPorts === undefined ? {} : { ExposedPorts }),
      ...(endpoints.length === 0
        ? {}
        : {
            NetworkingConfig: {
              EndpointsConfig: Object.fromEntries(endpoints.map(({ name, endpoint }) => [name, endpoint])),
            },
          }),
    },
    hostConfig: {
      NetworkMode: mode,
      ...(PortBindings === undefined ? {} : { PortBindings }),
      ...(flags["publish-all"] ? { PublishAllPorts: true, PublishAddress: publishAddress(env) } : {}),
      ...(isUserDefined(mode) || flags.link.length === 0 ? {} : { Links: flags.link }),
    },
  };
}

function wantedNetworks(flags: NetworkFlags): Wanted[] {
  const wanted = [...flags.network, ...flags.net].map(parseNetworkFlag);
  for (const [at, { name }] of wanted.entries()) {
    if (wanted.findIndex((each) => each.name === name) !== at)
      throw new UsageError(`network ${JSON.stringify(name)} is specified multiple times`);
    if (wanted.length > 1 && isNamespace(name))
      throw new UsageError(
        "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
      );
  }
  const [first = { name: "default", endpoint: {} }, ...more] = wanted;
  return [withSingleFlags(first, flags), ...more];
}

/** `--ip` and its like are about the first network. */
function withSingleFlags({ name, endpoint }: Wanted, flags: NetworkFlags): Wanted {
  const aliases = [...flags["network-alias"], ...flags["net-alias"]];
  const { ip, ip6 } = flags;
  const linkLocal = flags["link-local-ip"];
  const mac = flags["mac-address"];
  const twice = (flag: string, isSet: boolean, isGiven: boolean) => {
    if (isSet && isGiven)
      throw new UsageError(`conflicting options: cannot specify both --${flag} and per-network ${flag}`);
  };
  twice("network-alias", endpoint.Aliases !== undefined, aliases.length > 0);
  twice("ip", endpoint.IPAMConfig?.IPv4Address !== undefined, ip !== undefined);
  twice("ip6", endpoint.IPAMConfig?.IPv6Address !== undefined, ip6 !== undefined);
  twice("mac-address", endpoint.MacAddress !== undefined, mac !== undefined);
  const ipam = {
    ...endpoint.IPAMConfig,
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
    ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
  };
  return {
    name,
    endpoint: {
      ...endpoint,
      ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
      ...(aliases.length === 0 ? {} : { Aliases: aliases }),
      ...(mac === undefined ? {} : { MacAddress: mac }),
      ...(flags.link.length === 0 || !isUserDefined(name) ? {} : { Links: flags.link }),
    },
  };
}

/** `NAME`, or `name=NAME,alias=A,ip=1.2.3.4,…`. Throws UsageError in Docker's words. */
export function parseNetworkFlag(word: string): Wanted {
  if (!word.includes("=")) return { name: word, endpoint: {} };
  const lists = { alias: [] as string[], "link-local-ip": [] as string[], "driver-opt": [] as string[] };
  const fields: Record<string, string> = {};
  for (const field of word.split(",")) {
    const equals = field.indexOf("=");
    const key = field.slice(0, equals).trim().toLowerCase();
    const value = field.slice(equals + 1).trim();
    if (equals <= 0) throw new UsageError(`invalid field ${field}`);
    if (Object.hasOwn(lists, key)) lists[key as keyof typeof lists].push(value);
    else if (["name", "ip", "ip6", "mac-address", "gw-priority"].includes(key)) fields[key] = value;
    else throw new UsageError(`invalid field key ${key}`);
  }
  const { name = "", ip, ip6, "mac-address": mac, "gw-priority": priority } = fields;
  if (name === "") throw new UsageError("network name/id is not specified");
  if (priority !== undefined && !/^-?\d{1,9}$/.test(priority))
    throw new UsageError(`invalid gw-priority (${priority}): must be a number`);
  const local = lists["link-local-ip"];
  const ipam = {
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
    ...(local.length === 0 ? {} : { LinkLocalIPs: local }),
  };
  return {
    name,
    endpoint: {
      ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
      ...(lists.alias.length === 0 ? {} : { Aliases: lists.alias }),
      ...(mac === undefined ? {} : { MacAddress: mac }),
      ...driverOptions(lists["driver-opt"]),
      ...(priority === undefined ? {} : { GwPriority: Number(priority) }),
    },
  };
}

/** `KEY=VALUE` words. Throws UsageError in Docker's words. */
export function driverOptions(words: readonly string[]): Pick<DockerEndpointConfig, "DriverOpts"> {
  if (words.length === 0) return {};
  const pairs = words.map((word) => {
    const equals = word.indexOf("=");
    if (equals <= 0) throw new UsageError("invalid key/value pair format in driver options");
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
  return { DriverOpts: Object.fromEntries(pairs) };
}

function isNamespace(name: string): boolean {
  return name === "host" || name === "none" || name.startsWith("container:");
}

function isUserDefined(name: string): boolean {
  return !isNamespace(name) && name !== "default" && name !== "bridge";
}
