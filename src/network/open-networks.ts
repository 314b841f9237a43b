import { messageOf, PlyError } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import { overlaps, parseCidr } from "./address.ts";
import type { Endpoint } from "./attachment.ts";
import { checkNotInUse, configured, planConfiguration } from "./config-network.ts";
import { engineNames, ensureBridge, ownParentName } from "./devices.ts";
import { checkEndpoint } from "./endpoint.ts";
import { openFirewall } from "./firewall.ts";
import { openHost } from "./host.ts";
import { createHouses } from "./houses.ts";
import { createLinks } from "./links.ts";
import type { NameServer } from "./name-server.ts";
import { openNetworkTable } from "./network-table.ts";
import type { Network, Networks } from "./networks.ts";
import { planNetwork } from "./new-network.ts";
import { choosePool } from "./pool.ts";
import { probeNetworks } from "./probe.ts";
import { createPublisher } from "./publish.ts";
import type { NetworkDocuments } from "./records.ts";

export interface NetworksParts {
  /** Devices and rules are named after it. */
  readonly root: string;
  readonly engineId: string;
  /** `store.records("network")` and `store.records("attachment")`. */
  readonly networks: NetworkDocuments;
  readonly attachments: NetworkDocuments;
  readonly events: Pick<EventBus, "emit">;
  readonly nameServer: NameServer;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Told of what went wrong, or was changed on the host, where nobody waits for an answer. */
  readonly onTrouble: (message: string) => void;
}

/** Networks as long as this engine owns them. On dispose those of running containers stay as they are, for the next engine. */
export interface OpenNetworks extends Networks, AsyncDisposable {}

/** Opens the networks of a root. Nothing is made on the host before a network is created or a container starts. */
export function openNetworks(parts: NetworksParts): OpenNetworks {
  const { events, nameServer, onTrouble } = parts;
  const clock = parts.clock ?? Date.now;
  const names = engineNames(parts.root);
  const host = openHost({ onNotice: onTrouble });
  const firewall = openFirewall({ table: names.table, onTrouble });
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
  const emit = (action: string, network: Network, container?: string): void =>
    events.emit({
      type: "network",
      action,
      actor: {
        id: network.id,
        attributes: {
          name: network.name,
          type: network.driver,
          ...(container === undefined ? {} : { container }),
        },
      },
    });
  const houses = createHouses({
    table,
    records: parts.attachments,
    host,
    links,
    firewall,
    publisher: createPublisher(),
    nameServer,
    emit,
    settle,
    onTrouble,
  });

  /** The default bridge's subnet was free when it was chosen; another engine may have taken it since. */
  function settle(network: Network, endpoints: readonly Endpoint[]): Network {
    const [first] = network.subnets;
    if (!network.builtin || first === undefined || endpoints.length > 0) return network;
    const device = host.link(network.device)?.index;
    const isFree = !host.subnets(device).some((each) => overlaps(each, parseCidr(first.subnet)));
    if (!isFree) {
      host.deleteLink(network.device);
      firewall.removeBridge(network.device);
    }
    const settled = isFree ? network : table.resettle(network, freePool(4, table.list(), device));
    // At once: the next engine to choose sees it.
    ensureBridge(host, settled);
    return settled;
  }

  function removeDevice(network: Network): void {
    const { driver, device, id } = network;
    if (driver === "bridge") firewall.removeBridge(device);
    const isOurs = driver === "bridge" || device === ownParentName(id) || /\.\d+$/.test(device);
    try {
      if (isOurs && table.ownsDevice(id)) host.deleteLink(device);
    } catch (error) {
      onTrouble(`removing the device ${device}: ${messageOf(error)}`);
    }
  }

  async function remove(name: string): Promise<void> {
    const network = table.get(name);
    if (network.builtin)
      throw new PlyError("denied", `${network.name} is a pre-defined network and cannot be removed`);
    const [active] = houses.endpointsOn(network.id);
    if (active !== undefined)
      throw new PlyError(
        "conflict",
        `error while removing network: network ${network.name} has active endpoints (name:"${active.containerName}" id:"${active.containerId.slice(0, 12)}")`,
        { details: { httpStatus: 403 } },
      );
    checkNotInUse(network, table.list());
    removeDevice(network);
    table.delete(network.id);
    emit("destroy", network);
  }

  return {
    ...houses,
    probe: probeNetworks(),
    get: table.get,
    list: table.list,
    remove,

    async create(options) {
      if (options.configOnly) {
        const network = planConfiguration(options, table.list(), clock());
        table.put(network, { ownsDevice: false });
        emit("create", network);
        return { network, warnings: [] };
      }
      const around = {
        networks: table.list(),
        choosePool: (family: 4 | 6) => freePool(family, table.list()),
      };
      const network = planNetwork(configured(options, table.get), around, clock());
      // Known before it is made: after a crash its device is made when it is needed.
      table.put(network, { ownsDevice: host.link(network.device) === undefined });
      try {
        await links.bringUp(network);
      } catch (error) {
        removeDevice(network);
        table.delete(network.id);
        throw error;
      }
      emit("create", network);
      return { network, warnings: [] };
    },

    async prune({ matches = () => true, isUsed }) {
      const removed: string[] = [];
      for (const network of table.list()) {
        if (network.builtin || !matches(network) || isUsed(network)) continue;
        if (houses.endpointsOn(network.id).length > 0) continue;
        if (table.list().some(({ configFrom }) => configFrom === network.name)) continue;
        await remove(network.id);
        removed.push(network.name);
      }
      return removed;
    },

    check({ endpoints }) {
      for (const endpoint of endpoints) checkEndpoint(table.get(endpoint.network), endpoint);
    },

    async [Symbol.asyncDispose]() {
      houses[Symbol.dispose]();
      // What nobody is on is made again when it is needed.
      for (const network of table.list())
        if (network.device !== "" && houses.endpointsOn(network.id).length === 0) removeDevice(network);
      await firewall[Symbol.asyncDispose]();
      host[Symbol.dispose]();
    },
  };
}
