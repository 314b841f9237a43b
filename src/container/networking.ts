import { isPlyError, PlyError } from "../error.ts";
import type { Attachment, AttachOptions, EndpointOptions, Networks } from "../network/index.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import { linkedHostsLines, linkTarget } from "./etc-network.ts";
import { joinedName, lender, runningDonor } from "./joined.ts";
import { linkedEnv } from "./link-env.ts";

export type Find = (name: string) => ContainerRecord;

/** The network a container starts in. */
export interface LaunchNetwork {
  /** own: with a loopback device at least; it may be another container's. */
  readonly kind: "host" | "own";
  /** The namespace to join; "" when there is none, or the runtime makes it. */
  readonly netnsPath: string;
  /** Undefined with the host's, none or another container's. */
  readonly attachment: Attachment | undefined;
  /** The container whose network it shares. */
  readonly lender: ContainerRecord | undefined;
  /** Lines of /etc/hosts about other containers. */
  readonly linkedHosts: readonly string[];
  /** Variables about other containers. */
  readonly linkedEnv: readonly string[];
  /** Where it reaches this host; undefined: by an address that the world knows. */
  readonly hostGateway: string | undefined;
}

/** True when a container's network is the host's own. */
export const hasHostNetwork = ({ networkMode }: Pick<HostOptions, "networkMode">): boolean =>
  networkMode === "host";

/**
 * The options of a new container with its networks filled in and checked. Throws as `Networks.check`; "invalid" for another
 * container that is not there.
 */
export function withNetworks(
  networks: Networks,
  host: HostOptions,
  find: Find,
): { readonly host: HostOptions; readonly warnings: readonly string[] } {
  const { networkMode: mode, networks: given = [] } = host;
  if (mode === "host" || mode === "none") return { host: { ...host, networks: [] }, warnings: [] };
  const joined = joinedName(mode);
  if (joined !== undefined) {
    if (joined === "") throw new PlyError("invalid", "invalid container format container:<name|id>");
    const donor = lender(joined, find);
    return { host: { ...host, networkMode: `container:${donor.id}`, networks: [] }, warnings: [] };
  }
  const own = mode === "" || mode === "default" ? "bridge" : mode;
  if (!networks.probe.works && own === "bridge" && given.length <= 1) {
    const warnings = networks.probe.problems.map((problem) => `running with no network: ${problem}`);
    return { host: { ...host, networkMode: "none", networks: [] }, warnings };
  }
  try {
    const endpoints = (given.length === 0 ? [{ network: own }] : given).map((endpoint) => ({
      ...endpoint,
      network: networks.get(endpoint.network).name,
    }));
    networks.check({ containerName: "", names: [], ports: [], endpoints });
    for (const endpoint of endpoints) if (endpoint.network === "bridge") checkOnBridge(endpoint, find);
    return { host: { ...host, networkMode: own, networks: endpoints }, warnings: [] };
  } catch (error) {
    // A 404 of `create` means a missing image to Docker's client, which would pull it and try again.
    throw isPlyError(error, "not-found")
      ? new PlyError("not-found", error.message, {
          cause: error,
          details: { ...error.details, httpStatus: 400 },
          hint: `ply network create ${own}`,
        })
      : error;
  }
}

/** What the default bridge, whose names nobody serves, has not. Throws "invalid" in Docker's words. */
function checkOnBridge({ aliases = [], links = [] }: EndpointOptions, find: Find): void {
  if (aliases.length > 0)
    throw new PlyError(
      "invalid",
      "network-scoped alias is supported only for containers in user defined networks",
    );
  for (const link of links) {
    const target = linkTarget(link);
    try {
      find(target);
    } catch (cause) {
      throw new PlyError("invalid", `could not get container for ${target}: No such container: ${target}`, {
        cause,
      });
    }
  }
}

/** Names by which the others on its networks know a container. */
export function namesOf({ id, name, process }: ContainerRecord): string[] {
  return [...new Set([name, id.slice(0, 12), ...(process.hostname === "" ? [] : [process.hostname])])];
}

/**
 * Makes the network of a container that starts now. Throws as `Networks.attach`, and as `runningDonor` for another's. What it made goes
 * with `Networks.detach`.
 */
export async function joinNetwork(
  networks: Networks,
  record: ContainerRecord,
  { find, inUserNamespace }: { readonly find: Find; readonly inUserNamespace: boolean },
): Promise<LaunchNetwork> {
  const { id, name, host, config } = record;
  const nothing = {
    netnsPath: "",
    attachment: undefined,
    lender: undefined,
    linkedHosts: [],
    linkedEnv: [],
    hostGateway: undefined,
  };
  if (hasHostNetwork(host)) return { kind: "host", ...nothing };
  const joined = joinedName(host.networkMode);
  if (joined !== undefined) {
    const donor = runningDonor(joined, "network namespace", find);
    return {
      kind: hasHostNetwork(donor.host) ? "host" : "own",
      ...nothing,
      netnsPath: `/proc/${donor.pid}/ns/net`,
      lender: donor,
    };
  }
  if (host.networkMode === "none") return { kind: "own", ...nothing };
  const options: AttachOptions = {
    containerName: name,
    names: namesOf(record),
    endpoints: host.networks ?? [{ network: "bridge" }],
    ports: host.ports ?? [],
    ...(host.publishAllPorts ? { publishAll: Object.keys(config.ExposedPorts ?? {}) } : {}),
    ...(host.publishAddress === undefined ? {} : { publishAllAddress: host.publishAddress }),
    nameServers: host.settings?.dns ?? [],
    isNamespaceLater: inUserNamespace,
  };
  const attachment = await networks.attach(id, options);
  return {
    kind: "own",
    ...nothing,
    netnsPath: attachment.netnsPath,
    attachment,
    linkedHosts: linkedHostsLines(attachment, networks.endpointsOn),
    linkedEnv: linkedEnv(record, attachment, networks.endpointsOn, find),
    hostGateway: gatewayOf(attachment, networks),
  };
}

/** The host's own address on the first of its bridges. */
function gatewayOf({ endpoints }: Attachment, networks: Networks): string | undefined {
  const onBridge = endpoints.filter(({ networkId }) => networks.get(networkId).driver === "bridge");
  for (const { ipv4, ipv6 } of onBridge) {
    const gateway = ipv4?.gateway ?? ipv6?.gateway ?? undefined;
    if (gateway !== undefined) return gateway;
  }
  return undefined;
}

/** Once its first process is there, and before it is let go: all of its network works. */
export async function finishNetwork(networks: Networks, id: string, pid: number): Promise<void> {
  await networks.moveIn(id, pid);
  await networks.ready(id);
}
