import { type NetworkNamespace, openNetworkNamespace } from "../../linux/index.ts";
import { type Door, listen } from "./listen.ts";
import type { Served } from "./message.ts";
import { createNames } from "./names.ts";
import { createResolver, type ResolverParts } from "./resolver.ts";

/** The containers that are served, each with a door of its own. */
export interface Doors {
  /** Resolves when it listens; for one that is served already its names and servers are new. */
  open(served: Served): Promise<void>;
  close(container: string): void;
}

interface House {
  served: Served;
  readonly namespace: NetworkNamespace;
  readonly door: Promise<Door>;
}

export function createDoors(parts: Omit<ResolverParts, "names">): Doors {
  const names = createNames();
  const resolve = createResolver({ ...parts, names });
  const houses = new Map<string, House>();

  const doors: Doors = {
    async open(served) {
      const { container } = served;
      names.set(container, served.memberships);
      const known = houses.get(container);
      if (known !== undefined) {
        known.served = served;
        await known.door;
        return;
      }
      const namespace = openNetworkNamespace(served.namespace);
      const asking = () => ({ container, namespace, servers: house.served.servers });
      const house: House = { served, namespace, door: listen(namespace, asking, resolve) };
      houses.set(container, house);
      try {
        await house.door;
      } catch (error) {
        if (houses.get(container) === house) doors.close(container);
        throw error;
      }
    },
    close(container) {
      const house = houses.get(container);
      houses.delete(container);
      names.delete(container);
      if (house === undefined) return;
      house.door.then(
        (door) => door.close(),
        () => undefined,
      );
      house.namespace[Symbol.dispose]();
    },
  };
  return doors;
}
