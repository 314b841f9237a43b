import { isPlyError, PlyError } from "../error.ts";
import type { EndpointOptions, Networks } from "../network/index.ts";
import type { ContainerNetworking } from "./container-networking.ts";
import type { ContainerRecord } from "./containers.ts";
import { updateEtcFiles } from "./etc-network.ts";
import { joinedName } from "./joined.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type Find, hasHostNetwork, namesOf } from "./networking.ts";
import { ownNameOf } from "./own-name.ts";
import { hasProcess } from "./state.ts";
import type { ContainerTable } from "./table.ts";

export function createNetworking(parts: {
  readonly networks: Networks;
  readonly table: ContainerTable;
  readonly lifecycle: Lifecycle;
  readonly dirOf: (id: string) => string;
}): ContainerNetworking & { readonly renamed: (record: ContainerRecord) => void } {
  const { networks, table, lifecycle, dirOf } = parts;

  async function inTurn(name: string, step: (record: ContainerRecord) => Promise<void>): Promise<void> {
    const { id } = table.find(name).record;
    await lifecycle.liveOf(id).inTurn(() => step(table.find(id).record));
  }

  const change = ({ id, host }: ContainerRecord, endpoints: readonly EndpointOptions[]): void => {
    lifecycle.change(id, { host: { ...host, networks: endpoints } });
  };

  const find: Find = (name) => table.find(name).record;

  /** Does what changes a running container's networks, and tells its files of it. */
  async function live(record: ContainerRecord, act: () => Promise<unknown>): Promise<void> {
    const now = () => networks.attachmentOf(record.id) ?? { endpoints: [] };
    const before = now();
    await act();
    const { settings = {} } = record.host;
    updateEtcFiles(dirOf(record.id), { before, after: now() }, { name: ownNameOf(record, find), settings });
  }

  return {
    connectNetwork: (name, given) =>
      inTurn(name, async (record) => {
        const network = networks.get(given.network);
        const endpoint = { ...given, network: network.name };
        checkShared(record);
        networks.check({ containerName: record.name, names: [], ports: [], endpoints: [endpoint] });
        if (hasProcess(record.status)) await live(record, () => networks.connect(record.id, endpoint));
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
        if (hasProcess(record.status))
          await live(record, () => networks.disconnect(record.id, full)).catch(passes);
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
