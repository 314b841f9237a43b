import { isPlyError, PlyError } from "../error.ts";
import type { Attachment, AttachOptions, EndpointOptions, Networks } from "../network/index.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import { joinedName, lender, runningDonor } from "./joined.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { hasProcess } from "./state.ts";
import type { ContainerTable } from "./table.ts";

type Find = (name: string) => ContainerRecord;

/** Part of `Containers`: which networks a container is on. */
export interface ContainerNetworking {
  /** Live when it runs, else from its next start on. Throws not-found, "denied" for host, none and container:ID. */
  connectNetwork(name: string, endpoint: EndpointOptions): Promise<void>;
  /** `force` passes over a container or network that is gone. Throws "denied" when it is not on it. */
  disconnectNetwork(name: string, network: string, options: { readonly force: boolean }): Promise<void>;
}

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

/** Names by which the others on its networks know a container. */
function namesOf({ id, name, process }: ContainerRecord): string[] {
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
  const nothing = { netnsPath: "", attachment: undefined, lender: undefined };
  if (hasHostNetwork(host)) return { kind: "host", ...nothing };
  const joined = joinedName(host.networkMode);
  if (joined !== undefined) {
    const donor = runningDonor(joined, "network namespace", find);
    return {
      kind: hasHostNetwork(donor.host) ? "host" : "own",
      netnsPath: `/proc/${donor.pid}/ns/net`,
      attachment: undefined,
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
    nameServers: host.settings?.dns ?? [],
    isNamespaceLater: inUserNamespace,
  };
  const attachment = await networks.attach(id, options);
  return { kind: "own", netnsPath: attachment.netnsPath, attachment, lender: undefined };
}

/** Once its first process is there, and before it is let go: all of its network works. */
export async function finishNetwork(networks: Networks, id: string, pid: number): Promise<void> {
  await networks.moveIn(id, pid);
  await networks.ready(id);
}

export function createNetworking(parts: {
  readonly networks: Networks;
  readonly table: ContainerTable;
  readonly lifecycle: Lifecycle;
}): ContainerNetworking & { readonly renamed: (record: ContainerRecord) => void } {
  const { networks, table, lifecycle } = parts;

  async function inTurn(name: string, step: (record: ContainerRecord) => Promise<void>): Promise<void> {
    const { id } = table.find(name).record;
    await lifecycle.liveOf(id).inTurn(() => step(table.find(id).record));
  }

  const change = ({ id, host }: ContainerRecord, endpoints: readonly EndpointOptions[]): void => {
    lifecycle.change(id, { host: { ...host, networks: endpoints } });
  };

  return {
    connectNetwork: (name, given) =>
      inTurn(name, async (record) => {
        const network = networks.get(given.network);
        const endpoint = { ...given, network: network.name };
        checkShared(record);
        networks.check({ containerName: record.name, names: [], ports: [], endpoints: [endpoint] });
        if (hasProcess(record.status)) await networks.connect(record.id, endpoint);
        const others = (record.host.networks ?? []).filter((each) => each.network !== network.name);
        change(record, [...others, endpoint]);
      }),

    async disconnectNetwork(name, networkName, { force }) {
      const passes = (error: unknown) => {
        if (!(force && isPlyError(error, "not-found"))) throw error;
      };
      await inTurn(name, async (record) => {
        if (hasHostNetwork(record.host) && networkName === "host")
          throw new PlyError(
            "denied",
            "container cannot be disconnected from host network or connected to host network",
          );
        const known = record.host.networks ?? [];
        const full = force
          ? (known.find(({ network }) => network === networkName)?.network ?? networks.get(networkName).name)
          : networks.get(networkName).name;
        if (!known.some(({ network }) => network === full))
          throw new PlyError("denied", `container ${record.id} is not connected to network ${full}`);
        if (hasProcess(record.status)) await networks.disconnect(record.id, full).catch(passes);
        change(
          record,
          known.filter(({ network }) => network !== full),
        );
      }).catch(passes);
    },

    renamed: (record) => networks.rename(record.id, record.name, namesOf(record)),
  };
}

/** Docker's words for containers whose network is not theirs alone. */
function checkShared({ host }: ContainerRecord): void {
  if (hasHostNetwork(host) || joinedName(host.networkMode) !== undefined)
    throw new PlyError(
      "denied",
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  if (host.networkMode === "none")
    throw new PlyError(
      "denied",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
}
