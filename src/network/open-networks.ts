import { messageOf, PlyError } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import { type NetworkNamespace, rtnetlink } from "../linux/index.ts";
import { overlaps, parseCidr } from "./address.ts";
import type { Attachment, AttachOptions, Endpoint } from "./attachment.ts";
import { engineNames, ownParentName, vethName } from "./devices.ts";
import { checkEndpoint, defaultRoutes, newEndpoint, publishTarget } from "./endpoint.ts";
import { openFirewall } from "./firewall.ts";
import { openHost } from "./host.ts";
import { createLinks } from "./links.ts";
import type { NameServer } from "./name-server.ts";
import { openNetworkTable } from "./network-table.ts";
import type { Network, Networks } from "./networks.ts";
import { planNetwork } from "./new-network.ts";
import { choosePool } from "./pool.ts";
import type { PortRequest } from "./port.ts";
import { probeNetworks } from "./probe.ts";
import { createPublisher, type Publication } from "./publish.ts";
import { makeSandbox, removeDevice, sandboxOf, setDefaultRoutes } from "./sandbox.ts";

/** As much of the store's `Records` as networks need. */
export interface NetworkDocuments {
  put(key: string, value: unknown): void;
  delete(key: string): void;
  list(): { readonly key: string; readonly value: unknown }[];
}

export interface NetworksParts {
  /** Devices and rules are named after it. */
  readonly root: string;
  readonly engineId: string;
  readonly networks: NetworkDocuments;
  readonly attachments: NetworkDocuments;
  readonly events: Pick<EventBus, "emit">;
  readonly nameServer: NameServer;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Told of what went wrong, or was changed on the host, where nobody waits for an answer. */
  readonly onTrouble: (message: string) => void;
}

export interface OpenNetworks extends Networks, AsyncDisposable {}

/** The network of one running container. What is not `live` is kept in the database. */
interface House {
  readonly containerId: string;
  options: Pick<AttachOptions, "containerName" | "names">;
  requests: readonly PortRequest[];
  endpoints: readonly Endpoint[];
  readonly netns: NetworkNamespace;
  publication: Publication | undefined;
}

/** A namespace that others share keeps its devices; by then all that dies by itself is dead. */
const REAP_AFTER_MS = 1000;

export async function openNetworks(parts: NetworksParts): Promise<OpenNetworks> {
  const { events, nameServer, onTrouble } = parts;
  const clock = parts.clock ?? Date.now;
  const names = engineNames(parts.root);
  const probe = await probeNetworks();
  const host = openHost({ onNotice: onTrouble });
  const firewall = openFirewall({ table: names.table, onTrouble });
  const publisher = createPublisher();
  const freePool = (family: 4 | 6, networks: readonly Network[], except?: number) =>
    choosePool(
      family,
      [
        ...host.subnets(except),
        ...networks.flatMap(({ subnets }) => subnets.map(({ subnet }) => parseCidr(subnet))),
      ],
      parts.engineId,
    );
  const table = openNetworkTable({
    records: parts.networks,
    clock,
    device: names.bridge,
    freePool: (networks) => freePool(4, networks),
  });
  const links = createLinks({ host, firewall, find: table.get });
  const houses = new Map<string, House>();
  /** Addresses promised and not yet written down. */
  const claims = new Set<Endpoint>();

  const allEndpoints = (): Endpoint[] => [
    ...[...houses.values()].flatMap(({ endpoints }) => endpoints),
    ...claims,
  ];
  const endpointsOn = (id: string): Endpoint[] => allEndpoints().filter(({ networkId }) => networkId === id);
  const inUse = (id: string): Set<string> =>
    new Set(
      endpointsOn(id).flatMap(({ ipv4, ipv6 }) =>
        [ipv4, ipv6].flatMap((each) => (each === null ? [] : [each.address])),
      ),
    );

  const emit = (action: string, network: Network, more: Readonly<Record<string, string>> = {}): void =>
    events.emit({
      type: "network",
      action,
      actor: { id: network.id, attributes: { name: network.name, type: network.driver, ...more } },
    });

  const attachmentOf = ({ containerId, endpoints, netns, publication }: House): Attachment => ({
    containerId,
    netnsPath: netns.path,
    endpoints,
    ports: publication?.ports ?? [],
  });

  function keep(house: House): void {
    const { containerId, options, requests, endpoints, publication } = house;
    parts.attachments.put(containerId, { options, requests, endpoints, ports: publication?.ports ?? [] });
  }

  const houseOf = (containerId: string): House => {
    const house = houses.get(containerId);
    if (house === undefined)
      throw new PlyError("conflict", `container ${containerId} has no network of its own`);
    return house;
  };

  /** Of the default bridge alone there is nothing to ask for. */
  function serveNames(house: House): void {
    if (house.endpoints.some(({ networkId }) => !table.get(networkId).builtin))
      nameServer.serve(attachmentOf(house));
    else nameServer.stop(house.containerId);
  }

  /** The default bridge's subnet was free when it was chosen; another engine may have taken it since. */
  function settleSubnets(network: Network): Network {
    const [first] = network.subnets;
    if (!network.builtin || first === undefined || endpointsOn(network.id).length > 0) return network;
    const device = host.link(network.device)?.index;
    if (!host.subnets(device).some((each) => overlaps(each, parseCidr(first.subnet)))) return network;
    if (device !== undefined) host.socket.request([rtnetlink.deleteLink({ index: device })]);
    return table.resettle(network, freePool(4, table.list(), device));
  }

  function claim(
    networkName: string,
    options: Endpoint["options"],
    owner: Pick<AttachOptions, "containerName" | "names"> & {
      readonly containerId: string;
      readonly devices: readonly string[];
    },
  ): Endpoint {
    const network = settleSubnets(table.get(networkName));
    checkEndpoint(network, options);
    const endpoint = newEndpoint(network, options, { ...owner, inUse: inUse(network.id) });
    claims.add(endpoint);
    return endpoint;
  }

  async function publish(
    requests: readonly PortRequest[],
    endpoints: readonly Endpoint[],
  ): Promise<Publication | undefined> {
    const found = requests.length === 0 ? undefined : publishTarget(endpoints, table.get);
    if (found === undefined) return undefined;
    const { target, endpoint, defaultAddress } = found;
    try {
      const publication = await publisher.open({
        requests,
        target,
        ...(defaultAddress === undefined ? {} : { defaultAddress }),
      });
      try {
        await firewall.addPorts(publication.rules);
        return publication;
      } catch (error) {
        unpublish(publication);
        throw error;
      }
    } catch (error) {
      const { containerName, id } = endpoint;
      throw new PlyError(
        "internal",
        `driver failed programming external connectivity on endpoint ${containerName} (${id}): ${messageOf(error)}`,
        {
          cause: error,
          ...(error instanceof PlyError && error.hint !== undefined ? { hint: error.hint } : {}),
        },
      );
    }
  }

  function unpublish(publication: Publication | undefined): void {
    if (publication === undefined) return;
    firewall.removePorts(publication.rules);
    publication[Symbol.dispose]();
  }

  /** After the way to the world has changed: the same host ports, for another address. */
  async function publishAgain(house: House): Promise<void> {
    const { requests, publication, endpoints } = house;
    unpublish(publication);
    house.publication = undefined;
    house.publication = await publish(pinned(requests, publication), endpoints);
  }

  /** A namespace that somebody else is in still would keep its devices, on addresses that are free again. */
  function reap(endpoints: readonly Endpoint[]): void {
    const veths = endpoints
      .filter(({ networkId }) => table.find(networkId)?.driver === "bridge")
      .map(vethName);
    if (veths.length === 0) return;
    setTimeout(() => {
      try {
        for (const name of veths)
          if (host.link(name) !== undefined) host.socket.request([rtnetlink.deleteLink({ name })]);
      } catch (error) {
        onTrouble(`removing a container's device: ${messageOf(error)}`);
      }
    }, REAP_AFTER_MS).unref();
  }

  const networks: OpenNetworks = {
    probe,
    get: table.get,
    list: table.list,

    async create(options) {
      const network = planNetwork(
        options,
        { networks: table.list(), choosePool: (family) => freePool(family, table.list()) },
        clock(),
      );
      // Known before it is made: a crash leaves a network whose device is made when it is needed.
      table.put(network, { ownsDevice: host.link(network.device) === undefined });
      try {
        await links.bringUp(network);
      } catch (error) {
        await dropNetwork(network);
        throw error;
      }
      emit("create", network);
      return { network, warnings: [] };
    },

    async remove(name) {
      const network = table.get(name);
      if (network.builtin)
        throw new PlyError("denied", `${network.name} is a pre-defined network and cannot be removed`);
      const [active] = endpointsOn(network.id);
      if (active !== undefined)
        throw new PlyError(
          "conflict",
          `error while removing network: network ${network.name} has active endpoints (name:"${active.containerName}" id:"${active.containerId.slice(0, 12)}")`,
          { details: { httpStatus: 403 } },
        );
      await dropNetwork(network);
      emit("destroy", network);
    },

    async prune({ matches = () => true, isUsed }) {
      const removed: string[] = [];
      for (const network of table.list()) {
        if (network.builtin || !matches(network) || isUsed(network) || endpointsOn(network.id).length > 0)
          continue;
        await networks.remove(network.id);
        removed.push(network.name);
      }
      return removed;
    },

    check({ endpoints }) {
      for (const endpoint of endpoints) checkEndpoint(table.get(endpoint.network), endpoint);
    },

    async attach(containerId, options) {
      const { containerName, names: known } = options;
      if (houses.has(containerId)) networks.detach(containerId);
      const endpoints: Endpoint[] = [];
      let netns: NetworkNamespace | undefined;
      try {
        for (const wanted of options.endpoints)
          endpoints.push(
            claim(wanted.network, wanted, {
              containerId,
              containerName,
              names: known,
              devices: endpoints.map(({ device }) => device),
            }),
          );
        netns = makeSandbox();
        const house: House = {
          containerId,
          options: { containerName, names: known },
          requests: withPublishedAll(options),
          endpoints,
          netns,
          publication: undefined,
        };
        await links.plug(netns, endpoints, endpoints);
        house.publication = await publish(house.requests, endpoints);
        keep(house);
        houses.set(containerId, house);
        serveNames(house);
        for (const { networkId } of endpoints)
          emit("connect", table.get(networkId), { container: containerId });
        return attachmentOf(house);
      } catch (error) {
        netns?.[Symbol.dispose]();
        throw error;
      } finally {
        for (const endpoint of endpoints) claims.delete(endpoint);
      }
    },

    detach(containerId) {
      const house = houses.get(containerId);
      if (house === undefined) return;
      houses.delete(containerId);
      parts.attachments.delete(containerId);
      nameServer.stop(containerId);
      unpublish(house.publication);
      house.netns[Symbol.dispose]();
      reap(house.endpoints);
      for (const { networkId } of house.endpoints) {
        const network = table.find(networkId);
        if (network !== undefined) emit("disconnect", network, { container: containerId });
      }
    },

    attachmentOf(containerId) {
      const house = houses.get(containerId);
      return house && attachmentOf(house);
    },

    async connect(containerId, wanted) {
      const house = houseOf(containerId);
      const network = table.get(wanted.network);
      if (house.endpoints.some(({ networkId }) => networkId === network.id))
        throw new PlyError(
          "denied",
          `endpoint with name ${house.options.containerName} already exists in network ${network.name}`,
        );
      const endpoint = claim(wanted.network, wanted, {
        ...house.options,
        containerId,
        devices: house.endpoints.map(({ device }) => device),
      });
      try {
        const all = [...house.endpoints, endpoint];
        await links.plug(house.netns, [endpoint], all);
        house.endpoints = all;
        keep(house);
      } catch (error) {
        tryRemoveDevice(house.netns, endpoint.device);
        throw error;
      } finally {
        claims.delete(endpoint);
      }
      if (leadsElsewhere(house)) await publishAgain(house);
      keep(house);
      serveNames(house);
      emit("connect", network, { container: containerId });
      return endpoint;
    },

    async disconnect(containerId, name) {
      const house = houseOf(containerId);
      const network = table.get(name);
      const endpoint = house.endpoints.find(({ networkId }) => networkId === network.id);
      if (endpoint === undefined)
        throw new PlyError("denied", `container ${containerId} is not connected to network ${network.name}`);
      house.endpoints = house.endpoints.filter((each) => each !== endpoint);
      tryRemoveDevice(house.netns, endpoint.device);
      setDefaultRoutes(house.netns, defaultRoutes(house.endpoints, table.get));
      if (leadsElsewhere(house)) await publishAgain(house);
      keep(house);
      serveNames(house);
      emit("disconnect", network, { container: containerId });
    },

    rename(containerId, containerName, known) {
      const house = houses.get(containerId);
      if (house === undefined) return;
      house.options = { containerName, names: known };
      house.endpoints = house.endpoints.map((endpoint) => ({
        ...endpoint,
        containerName,
        names: [...new Set([...known, ...(endpoint.options.aliases ?? [])])],
      }));
      keep(house);
      serveNames(house);
    },

    endpointsOn: (id) =>
      [...houses.values()].flatMap(({ endpoints }) => endpoints).filter(({ networkId }) => networkId === id),
    inside: (containerId, work) => houseOf(containerId).netns.run(work),

    async adopt(running) {
      for (const { key: containerId, value } of parts.attachments.list()) {
        const pid = running.get(containerId);
        if (pid === undefined) {
          parts.attachments.delete(containerId);
          continue;
        }
        const { ports = [], ...kept } = value as Pick<House, "options" | "requests" | "endpoints"> &
          Partial<Pick<Publication, "ports">>;
        try {
          const house: House = { ...kept, containerId, netns: sandboxOf(pid), publication: undefined };
          houses.set(containerId, house);
          for (const { networkId } of house.endpoints) await links.bringUp(table.get(networkId));
          house.publication = await publish(pinned(kept.requests, { ports }), house.endpoints);
          keep(house);
          serveNames(house);
        } catch (error) {
          onTrouble(
            `container ${containerId}: taking its network over from an earlier engine: ${messageOf(error)}`,
          );
        }
      }
    },

    async [Symbol.asyncDispose]() {
      for (const { publication, netns } of houses.values()) {
        publication?.[Symbol.dispose]();
        netns[Symbol.dispose]();
      }
      // What nobody is on is made again when it is needed.
      for (const network of table.list()) if (endpointsOn(network.id).length === 0) removeDeviceOf(network);
      await firewall[Symbol.asyncDispose]();
      host[Symbol.dispose]();
    },
  };

  async function dropNetwork(network: Network): Promise<void> {
    removeDeviceOf(network);
    table.delete(network.id);
  }

  function removeDeviceOf(network: Network): void {
    if (network.driver === "bridge") firewall.removeBridge(network.device);
    const isOurs =
      network.driver === "bridge" ||
      network.device === ownParentName(network.id) ||
      /\.\d+$/.test(network.device);
    try {
      if (isOurs && table.ownsDevice(network.id) && host.link(network.device) !== undefined)
        host.socket.request([rtnetlink.deleteLink({ name: network.device })]);
    } catch (error) {
      onTrouble(`removing the device ${network.device}: ${messageOf(error)}`);
    }
  }

  /** True when the published ports lead to an address that is not the way to the world any more. */
  function leadsElsewhere({ requests, endpoints, publication }: House): boolean {
    if (requests.length === 0) return false;
    const target = publishTarget(endpoints, table.get)?.target;
    const addresses = [target?.ipv4, target?.ipv6];
    return publication === undefined
      ? target !== undefined
      : target === undefined ||
          publication.rules.some(({ containerAddress }) => !addresses.includes(containerAddress));
  }

  function tryRemoveDevice(netns: NetworkNamespace, device: string): void {
    try {
      removeDevice(netns, device);
    } catch (error) {
      onTrouble(`removing ${device} from a container: ${messageOf(error)}`);
    }
  }

  return networks;
}

/** `-P`: what is exposed and not published otherwise gets a port of the host's choice. */
function withPublishedAll({ ports, publishAll = [] }: AttachOptions): PortRequest[] {
  const more = publishAll.flatMap((text): PortRequest[] => {
    const [, first = "", last = first, protocol = "tcp"] =
      /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
    const found: PortRequest[] = [];
    for (let port = Number(first); first !== "" && port <= Number(last); port++)
      found.push({ containerPort: port, protocol: protocol as PortRequest["protocol"] });
    return found;
  });
  const isGiven = ({ containerPort, protocol }: PortRequest) =>
    ports.some((each) => each.containerPort === containerPort && each.protocol === protocol);
  return [...ports, ...more.filter((each) => !isGiven(each))];
}

/** The requests with the host ports that they got the last time. */
function pinned(
  requests: readonly PortRequest[],
  last: Pick<Publication, "ports"> | undefined,
): PortRequest[] {
  const left = [...(last?.ports ?? [])];
  return requests.map((request) => {
    const at = left.findIndex(
      ({ containerPort, protocol, hostPort }) =>
        containerPort === request.containerPort &&
        protocol === request.protocol &&
        (request.hostPorts === undefined ||
          (hostPort >= request.hostPorts[0] && hostPort <= request.hostPorts[1])),
    );
    const found = left[at];
    if (found === undefined) return request;
    // Its twin of the other family goes with it.
    for (let each = left.length - 1; each >= 0; each--)
      if (left[each]?.hostPort === found.hostPort && left[each]?.protocol === found.protocol)
        left.splice(each, 1);
    return { ...request, hostPorts: [found.hostPort, found.hostPort] };
  });
}
