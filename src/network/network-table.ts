import { PlyError } from "../error.ts";
import { type Cidr, formatAddress, formatCidr } from "./address.ts";
import type { Network } from "./networks.ts";
import { defaultBridge, namedOnly } from "./new-network.ts";
import type { NetworkDocuments } from "./records.ts";

interface Kept {
  readonly network: Network;
  /** False: the device was there before the network. */
  readonly ownsDevice: boolean;
}

/** All networks of an engine, in memory and in its database. */
export interface NetworkTable {
  list(): Network[];
  /** By name, id or unambiguous prefix of the id. Throws as `Networks.get`. */
  get(name: string): Network;
  /** By whole id. */
  find(id: string): Network | undefined;
  put(network: Network, more: { readonly ownsDevice: boolean }): void;
  delete(id: string): void;
  ownsDevice(id: string): boolean;
  /** The network on another subnet from now on. */
  resettle(network: Network, subnet: Cidr): Network;
}

export function openNetworkTable(options: {
  readonly records: NetworkDocuments;
  readonly clock: () => number;
  /** Of the default bridge. */
  readonly device: string;
  readonly freePool: (networks: readonly Network[]) => Cidr;
}): NetworkTable {
  const { records, clock, device } = options;
  const kept = new Map<string, Kept>();
  for (const { key, value } of records.list()) kept.set(key, value as Kept);

  const put = (network: Network, more: { readonly ownsDevice: boolean }): void => {
    const document = { network, ...more };
    records.put(network.id, document);
    kept.set(network.id, document);
  };
  const list = () => [...kept.values()].map(({ network }) => network);

  const table: NetworkTable = {
    list,
    get(name) {
      const all = list();
      const exact =
        all.find((each) => each.id === name) ??
        all.find((each) => each.name === (name === "default" ? "bridge" : name));
      if (exact !== undefined) return exact;
      const found = name === "" ? [] : all.filter(({ id }) => id.startsWith(name));
      if (found.length > 1)
        throw new PlyError(
          "invalid",
          `network ${name} is ambiguous (${found.length} matches found on ID prefix)`,
        );
      const [only] = found;
      if (only === undefined)
        throw new PlyError("not-found", `network ${name} not found`, { details: { name } });
      return only;
    },
    find: (id) => kept.get(id)?.network,
    put,
    delete(id) {
      records.delete(id);
      kept.delete(id);
    },
    ownsDevice: (id) => kept.get(id)?.ownsDevice ?? false,
    resettle(network, subnet) {
      const [first, ...rest] = network.subnets;
      if (first === undefined) return network;
      const gateway = formatAddress({ family: subnet.family, value: subnet.base + 1n });
      const moved = { ...network, subnets: [{ ...first, subnet: formatCidr(subnet), gateway }, ...rest] };
      put(moved, { ownsDevice: true });
      return moved;
    },
  };

  const has = (name: string) => list().some((network) => network.name === name);
  if (!has("bridge")) put(defaultBridge(device, options.freePool(list()), clock()), { ownsDevice: true });
  for (const name of ["host", "none"] as const)
    if (!has(name)) put(namedOnly(name, clock()), { ownsDevice: false });
  return table;
}
