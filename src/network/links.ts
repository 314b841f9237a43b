import type { NetworkNamespace } from "../linux/index.ts";
import { parseCidr } from "./address.ts";
import type { Endpoint } from "./attachment.ts";
import { ensureBridge, ensureParent, plugIntoBridge, plugIntoParent, settlePort } from "./devices.ts";
import { defaultRoutes, type FindNetwork } from "./endpoint.ts";
import type { Firewall } from "./firewall.ts";
import type { Host } from "./host.ts";
import { optionOf } from "./network-option.ts";
import type { Network } from "./networks.ts";
import type { BridgeRules } from "./rules.ts";
import { configureDevices, setDefaultRoutes } from "./sandbox.ts";

/** The devices behind networks and endpoints. */
export interface Links {
  /** The network's device on the host, and what the host must do for it. Returns its index. */
  bringUp(network: Network): Promise<number>;
  /** Devices for the endpoints in a container's namespace, with addresses; the default routes are those of `all`. */
  plug(netns: NetworkNamespace, endpoints: readonly Endpoint[], all: readonly Endpoint[]): Promise<void>;
}

export function createLinks({
  host,
  firewall,
  find,
}: {
  readonly host: Host;
  readonly firewall: Firewall;
  readonly find: FindNetwork;
}): Links {
  async function bringUp(network: Network): Promise<number> {
    if (network.driver !== "bridge") return ensureParent(host, network);
    const { index } = ensureBridge(host, network);
    if (!network.internal) {
      host.forward(4);
      if (network.ipv6) host.forward(6);
    }
    await firewall.addBridge(bridgeRules(network));
    return index;
  }

  return {
    bringUp,
    async plug(netns, endpoints, all) {
      for (const endpoint of endpoints) {
        const network = find(endpoint.networkId);
        const index = await bringUp(network);
        if (network.driver === "bridge") plugIntoBridge(host, network, { endpoint, netns, bridge: index });
        else plugIntoParent(host, network, { endpoint, netns, parent: index });
      }
      configureDevices(netns, endpoints);
      for (const endpoint of endpoints)
        if (find(endpoint.networkId).driver === "bridge") settlePort(host, endpoint);
      setDefaultRoutes(netns, defaultRoutes(all, find));
    },
  };
}

/** What the firewall has to know of a network with driver `bridge`. */
export function bridgeRules({ device, internal, options, subnets, ipv6 }: Network): BridgeRules {
  return {
    device,
    internal,
    linked: optionOf.linked(options),
    masquerade: optionOf.masquerade(options),
    subnets: subnets.map(({ subnet }) => subnet).filter((each) => ipv6 || parseCidr(each).family === 4),
  };
}
