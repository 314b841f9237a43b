import { messageOf, PlyError } from "../error.ts";
import type { NetworkNamespace } from "../linux/index.ts";
import type { Attachment, AttachOptions, Endpoint } from "./attachment.ts";
import { vethName } from "./devices.ts";
import { checkEndpoint, defaultRoutes, newEndpoint, publishTarget } from "./endpoint.ts";
import type { Firewall } from "./firewall.ts";
import type { Host } from "./host.ts";
import { bridgeRules, type Links } from "./links.ts";
import type { NameServer } from "./name-server.ts";
import type { NetworkTable } from "./network-table.ts";
import type { Network, Networks } from "./networks.ts";
import type { PortRequest, PublishedPort } from "./port.ts";
import { leadsElsewhere, pinned, withPublishedAll } from "./port-plan.ts";
import { type Publication, type Publisher, ruleFor } from "./publish.ts";
import type { NetworkDocuments } from "./records.ts";
import { makeSandbox, prepareSandbox, removeDevice, sandboxOf, setDefaultRoutes } from "./sandbox.ts";

/** What containers on networks are made of. */
export interface HousesContext {
  readonly table: NetworkTable;
  readonly records: NetworkDocuments;
  readonly host: Host;
  readonly links: Links;
  readonly firewall: Firewall;
  readonly publisher: Publisher;
  readonly nameServer: NameServer;
  readonly emit: (action: string, network: Network, container: string) => void;
  /** The network with a subnet that is free, where it may still change. */
  readonly settle: (network: Network, endpoints: readonly Endpoint[]) => Network;
  readonly onTrouble: (message: string) => void;
}

/** The containers that run with networks of their own. */
export interface Houses
  extends Pick<
      Networks,
      | "attach"
      | "moveIn"
      | "ready"
      | "detach"
      | "attachmentOf"
      | "connect"
      | "disconnect"
      | "rename"
      | "inside"
      | "adopt"
      | "endpointsOn"
    >,
    Disposable {}

interface House {
  readonly containerId: string;
  options: Pick<AttachOptions, "containerName" | "names" | "nameServers">;
  readonly requests: readonly PortRequest[];
  endpoints: readonly Endpoint[];
  /** Undefined until `moveIn`. */
  netns: NetworkNamespace | undefined;
  publication: Publication | undefined;
}

/** As a house is kept; the rest is made again. */
type KeptHouse = Pick<House, "options" | "requests" | "endpoints"> & {
  readonly ports: readonly PublishedPort[];
};

/** A namespace that others share keeps its devices; by then all that dies by itself is dead. */
const REAP_AFTER_MS = 1000;

export function createHouses(context: HousesContext): Houses {
  const { table, links, firewall, nameServer, host, onTrouble } = context;
  const houses = new Map<string, House>();
  /** Addresses promised and not yet written down. */
  const claims = new Set<Endpoint>();

  const endpointsOn = (id: string): Endpoint[] =>
    [...[...houses.values()].flatMap(({ endpoints }) => endpoints), ...claims].filter(
      ({ networkId }) => networkId === id,
    );

  const attachmentOf = ({ containerId, endpoints, netns, publication }: House): Attachment => ({
    containerId,
    netnsPath: netns?.path ?? "",
    endpoints,
    ports: publication?.ports ?? [],
  });

  function keep({ containerId, options, requests, endpoints, publication }: House): void {
    const document: KeptHouse = { options, requests, endpoints, ports: publication?.ports ?? [] };
    context.records.put(containerId, document);
  }

  function houseOf(containerId: string): House & { readonly netns: NetworkNamespace } {
    const house = houses.get(containerId);
    if (house?.netns === undefined)
      throw new PlyError("conflict", `container ${containerId} has no network of its own`);
    return house as House & { readonly netns: NetworkNamespace };
  }

  /** Of the default bridge alone there is nothing to ask for. */
  function serveNames(house: House): void {
    const { containerId, options, endpoints } = house;
    if (endpoints.some(({ networkId }) => !table.get(networkId).builtin)) {
      nameServer.setServers(containerId, options.nameServers ?? []);
      nameServer.serve(attachmentOf(house));
    } else nameServer.stop(containerId);
  }

  function claim(
    wanted: Endpoint["options"],
    owner: House["options"] & { readonly containerId: string; readonly devices: readonly string[] },
  ): Endpoint {
    const found = table.get(wanted.network);
    const network = context.settle(found, endpointsOn(found.id));
    checkEndpoint(network, wanted);
    const inUse = new Set(
      endpointsOn(network.id).flatMap(({ ipv4, ipv6 }) =>
        [ipv4, ipv6].flatMap((each) => (each === null ? [] : [each.address])),
      ),
    );
    const endpoint = newEndpoint(network, wanted, { ...owner, inUse });
    claims.add(endpoint);
    return endpoint;
  }

  async function publish(requests: readonly PortRequest[], endpoints: readonly Endpoint[]) {
    const found = requests.length === 0 ? undefined : publishTarget(endpoints, table.get);
    if (found === undefined) return undefined;
    const { target, endpoint, defaultAddress } = found;
    let publication: Publication | undefined;
    try {
      publication = await context.publisher.open({
        requests,
        target,
        ...(defaultAddress === undefined ? {} : { defaultAddress }),
      });
      await firewall.addPorts(publication.rules);
      return publication;
    } catch (error) {
      unpublish(publication);
      throw new PlyError(
        "internal",
        `driver failed programming external connectivity on endpoint ${endpoint.containerName} (${endpoint.id}): ${messageOf(error)}`,
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

  /** Ports follow when the way to the container has changed: the same ones of the host. */
  async function followPorts(house: House): Promise<void> {
    const { requests, publication, endpoints } = house;
    if (requests.length === 0 || !leadsElsewhere(publication, publishTarget(endpoints, table.get)?.target))
      return;
    unpublish(publication);
    house.publication = undefined;
    house.publication = await publish(pinned(requests, publication?.ports), endpoints);
  }

  /** Closes what a house has open; its addresses are free. */
  function leave(house: House): void {
    houses.delete(house.containerId);
    context.records.delete(house.containerId);
    unpublish(house.publication);
    house.netns?.[Symbol.dispose]();
  }

  /** A namespace that somebody else is still in would keep its devices, with addresses that are free again. */
  function reap(endpoints: readonly Endpoint[]): void {
    const veths = endpoints
      .filter(({ networkId }) => table.find(networkId)?.driver === "bridge")
      .map(vethName);
    if (veths.length === 0) return;
    setTimeout(() => {
      try {
        for (const name of veths) host.deleteLink(name);
      } catch (error) {
        onTrouble(`removing a container's device: ${messageOf(error)}`);
      }
    }, REAP_AFTER_MS).unref();
  }

  function tryRemoveDevice(netns: NetworkNamespace, device: string): void {
    try {
      removeDevice(netns, device);
    } catch (error) {
      onTrouble(`removing ${device} from a container: ${messageOf(error)}`);
    }
  }

  /** Devices into the namespace, names into the name server. */
  async function furnish(house: House, netns: NetworkNamespace): Promise<void> {
    house.netns = netns;
    prepareSandbox(netns);
    await links.plug(netns, house.endpoints, house.endpoints);
    serveNames(house);
    for (const { networkId } of house.endpoints)
      context.emit("connect", table.get(networkId), house.containerId);
  }

  /** All of it in one go: ports of containers that run are never without their rules. */
  function expectRules(kept: readonly KeptHouse[]): void {
    const used = kept.flatMap(({ endpoints }) => endpoints).map(({ networkId }) => table.find(networkId));
    firewall.expect(
      used.flatMap((network) => (network?.driver === "bridge" ? [bridgeRules(network)] : [])),
      kept.flatMap(({ endpoints, ports }) => {
        const target = publishTarget(endpoints, table.get)?.target;
        return target === undefined ? [] : ports.flatMap((port) => ruleFor(port, target));
      }),
    );
  }

  async function adoptOne(containerId: string, pid: number, { ports, ...kept }: KeptHouse): Promise<void> {
    const house: House = { ...kept, containerId, netns: sandboxOf(pid), publication: undefined };
    houses.set(containerId, house);
    for (const { networkId } of house.endpoints) await links.bringUp(table.get(networkId));
    serveNames(house);
    house.publication = await publish(pinned(kept.requests, ports), house.endpoints);
    keep(house);
  }

  const all: Houses = {
    endpointsOn,

    async attach(containerId, options) {
      const { containerName, names, nameServers = [], isNamespaceLater = false } = options;
      const old = houses.get(containerId);
      if (old !== undefined) leave(old);
      const owner = { containerName, names, nameServers };
      const endpoints: Endpoint[] = [];
      const house: House = {
        containerId,
        options: owner,
        requests: withPublishedAll(options),
        endpoints,
        netns: undefined,
        publication: undefined,
      };
      try {
        for (const wanted of options.endpoints) {
          const devices = endpoints.map(({ device }) => device);
          endpoints.push(claim(wanted, { ...owner, containerId, devices }));
        }
        house.publication = await publish(house.requests, endpoints);
        keep(house);
        houses.set(containerId, house);
        if (!isNamespaceLater) await furnish(house, makeSandbox());
        return attachmentOf(house);
      } catch (error) {
        nameServer.stop(containerId);
        leave(house);
        throw error;
      } finally {
        for (const endpoint of endpoints) claims.delete(endpoint);
      }
    },

    async moveIn(containerId, pid) {
      const house = houses.get(containerId);
      if (house !== undefined && house.netns === undefined) await furnish(house, sandboxOf(pid));
    },

    ready: (containerId) => nameServer.ready(containerId),

    detach(containerId) {
      const house = houses.get(containerId);
      if (house === undefined) return;
      nameServer.stop(containerId);
      leave(house);
      reap(house.endpoints);
      for (const { networkId } of house.endpoints) {
        const network = table.find(networkId);
        if (network !== undefined) context.emit("disconnect", network, containerId);
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
      const devices = house.endpoints.map(({ device }) => device);
      const endpoint = claim(wanted, { ...house.options, containerId, devices });
      const before = house.endpoints;
      try {
        house.endpoints = [...before, endpoint];
        // Written down before there is a device: a crash between leaves an address that is freed later, not one given twice.
        keep(house);
        await links.plug(house.netns, [endpoint], house.endpoints);
        await followPorts(house);
      } catch (error) {
        house.endpoints = before;
        tryRemoveDevice(house.netns, endpoint.device);
        keep(house);
        throw error;
      } finally {
        claims.delete(endpoint);
      }
      keep(house);
      serveNames(house);
      context.emit("connect", network, containerId);
      return endpoint;
    },

    async disconnect(containerId, name) {
      const house = houseOf(containerId);
      const network = table.get(name);
      const endpoint = house.endpoints.find(({ networkId }) => networkId === network.id);
      if (endpoint === undefined)
        throw new PlyError("denied", `container ${containerId} is not connected to network ${network.name}`);
      tryRemoveDevice(house.netns, endpoint.device);
      house.endpoints = house.endpoints.filter((each) => each !== endpoint);
      setDefaultRoutes(house.netns, defaultRoutes(house.endpoints, table.get));
      await followPorts(house);
      keep(house);
      serveNames(house);
      context.emit("disconnect", network, containerId);
    },

    rename(containerId, containerName, names) {
      const house = houses.get(containerId);
      if (house === undefined) return;
      house.options = { ...house.options, containerName, names };
      house.endpoints = house.endpoints.map((endpoint) => ({
        ...endpoint,
        containerName,
        names: [...new Set([...names, ...(endpoint.options.aliases ?? [])])],
      }));
      keep(house);
      serveNames(house);
    },

    inside: (containerId, work) => houseOf(containerId).netns.run(work),

    async adopt(running) {
      const kept: [containerId: string, pid: number, house: KeptHouse][] = [];
      for (const { key: containerId, value } of context.records.list()) {
        const pid = running.get(containerId);
        if (pid === undefined) context.records.delete(containerId);
        else kept.push([containerId, pid, value as KeptHouse]);
      }
      expectRules(kept.map(([, , house]) => house));
      for (const [containerId, pid, house] of kept)
        await adoptOne(containerId, pid, house).catch((error: unknown) =>
          onTrouble(
            `container ${containerId}: taking its network over from an earlier engine: ${messageOf(error)}`,
          ),
        );
    },

    [Symbol.dispose]() {
      // Rules and devices stay with the containers, for the next engine.
      for (const { publication, netns } of houses.values()) {
        publication?.[Symbol.dispose]();
        netns?.[Symbol.dispose]();
      }
    },
  };
  return all;
}
