import { reverseName } from "./reverse-name.ts";

/** A container's part of one network: what the others on it may ask for. */
export interface Membership {
  readonly networkId: string;
  readonly networkName: string;
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  /** `container:alias`: names that only this container knows. */
  readonly links: readonly string[];
  /** False on an internal network: nothing goes out for a container that is on such networks only. */
  readonly isExternal: boolean;
}

/** Who is called what, as each container may see it: it knows those that share a network with it. */
export interface Names {
  /** The networks of a container, in the order in which names are looked up; replaces what was said before. */
  set(container: string, memberships: readonly Membership[]): void;
  delete(container: string): void;
  /** The addresses behind a name; undefined for a name that is none of ours. Whatever the case of its letters. */
  addressesOf(asking: string, name: string): readonly string[] | undefined;
  /** The name of an address, from its name under `in-addr.arpa` or `ip6.arpa`. */
  nameOf(asking: string, reverseName: string): string | undefined;
  isExternal(asking: string): boolean;
}

interface Zone {
  /** By name, then by container. */
  readonly addresses: Map<string, Map<string, readonly string[]>>;
  readonly names: Map<string, string>;
}

export function createNames(): Names {
  const members = new Map<string, readonly Membership[]>();
  const zones = new Map<string, Zone>();

  function add(container: string, { networkId, networkName, names, addresses }: Membership): void {
    const zone = zones.get(networkId) ?? { addresses: new Map(), names: new Map() };
    zones.set(networkId, zone);
    for (const name of names.map(fold)) {
      const holders = zone.addresses.get(name) ?? new Map();
      zone.addresses.set(name, holders.set(container, addresses));
    }
    for (const address of addresses)
      zone.names.set(reverseName(address), `${names[0] ?? container}.${networkName}`);
  }

  function remove(container: string, { networkId, names, addresses }: Membership): void {
    const zone = zones.get(networkId);
    if (zone === undefined) return;
    for (const name of names.map(fold)) {
      const holders = zone.addresses.get(name);
      holders?.delete(container);
      if (holders?.size === 0) zone.addresses.delete(name);
    }
    for (const address of addresses) zone.names.delete(reverseName(address));
    if (zone.addresses.size + zone.names.size === 0) zones.delete(networkId);
  }

  const clear = (container: string): void => {
    for (const membership of members.get(container) ?? []) remove(container, membership);
  };

  const find = ({ networkId }: Membership, name: string): string[] | undefined => {
    const holders = zones.get(networkId)?.addresses.get(name);
    return holders === undefined ? undefined : [...holders.values()].flat();
  };

  return {
    set(container, memberships) {
      clear(container);
      members.set(container, memberships);
      for (const membership of memberships) add(container, membership);
    },
    delete(container) {
      clear(container);
      members.delete(container);
    },
    addressesOf(asking, asked) {
      const name = fold(asked);
      for (const membership of members.get(asking) ?? []) {
        const found = find(membership, linkedTo(membership, name) ?? name);
        if (found !== undefined) return found;
        const suffix = `.${fold(membership.networkName)}`;
        if (!name.endsWith(suffix)) continue;
        const within = find(membership, name.slice(0, -suffix.length));
        if (within !== undefined) return within;
      }
      return undefined;
    },
    nameOf(asking, name) {
      for (const { networkId } of members.get(asking) ?? []) {
        const found = zones.get(networkId)?.names.get(fold(name));
        if (found !== undefined) return found;
      }
      return undefined;
    },
    isExternal: (asking) => members.get(asking)?.some(({ isExternal }) => isExternal) ?? false,
  };
}

/** Names are the same whatever their case, with or without the root's dot. */
function fold(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** The name behind an alias of this container's own. */
function linkedTo({ links }: Membership, alias: string): string | undefined {
  for (const link of links) {
    const [target = "", name = target] = link.replace(/^\//, "").split(":");
    if (fold(name) === alias) return fold(target);
  }
  return undefined;
}
