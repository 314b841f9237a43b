import { messageOf, PlyError } from "../error.ts";
import {
  changeElements,
  countRules,
  forgetFlows,
  NETLINK,
  type NetlinkSocket,
  openNetlink,
  rulesetGeneration,
  type SetElement,
} from "../linux/index.ts";
import { type Neighbours, NO_NEIGHBOURS, parseChains, wayThroughDocker } from "./neighbours.ts";
import { listNft, runNft } from "./nft.ts";
import { type BridgeRules, bridgeElements, type PortRule, portElement, tableText } from "./rules.ts";

/** The rules of an engine: one nftables table, and what belongs in it by the engine's own books. */
export interface Firewall extends AsyncDisposable {
  /** Makes the rules if they are not there, or not any more. Throws "unavailable" when that cannot be done. */
  ensure(): Promise<void>;
  /** What an earlier engine had: it comes with the table, before each is added again by itself. */
  expect(bridges: readonly BridgeRules[], ports: readonly PortRule[]): void;
  addBridge(rules: BridgeRules): Promise<void>;
  removeBridge(device: string): void;
  addPorts(rules: readonly PortRule[]): Promise<void>;
  removePorts(rules: readonly PortRule[]): void;
}

/** How soon rules that somebody flushed are put back. A look costs some 50 µs and is taken only while there is a bridge. */
const LOOK_AFTER_MS = 1000;
const UDP = 17;

export function openFirewall(options: {
  readonly table: string;
  readonly onTrouble: (message: string) => void;
}): Firewall {
  const { table } = options;
  const bridges = new Map<string, BridgeRules>();
  const ports = new Map<string, PortRule>();
  let opened: NetlinkSocket | undefined;
  const socket = (): NetlinkSocket => (opened ??= openNetlink(NETLINK.netfilter));
  let seen = { generation: -1, rules: 0 };
  let restoring: Promise<void> | undefined;
  let neighbours: Neighbours = NO_NEIGHBOURS;
  /** What is still on its way out of chains of others. */
  let leaving: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function isThere(): boolean {
    const generation = rulesetGeneration(socket());
    if (generation === seen.generation) return true;
    if (seen.rules === 0 || countRules(socket(), table) !== seen.rules) return false;
    seen = { ...seen, generation };
    return true;
  }

  const allElements = (): SetElement[] => [
    ...[...bridges.values()].flatMap(bridgeElements),
    ...[...ports.values()].map(portElement),
  ];

  async function restore(): Promise<void> {
    await survey();
    await runNft(tableText(table, neighbours));
    changeElements(socket(), table, { add: allElements() });
    seen = { generation: rulesetGeneration(socket()), rules: countRules(socket(), table) };
    await makeWay();
  }

  /** Looks at what others do. Says once what the user has to know of it. */
  async function survey(): Promise<void> {
    const before = neighbours;
    neighbours = parseChains(await listNft(["chains"]), table);
    if (neighbours.dropIncoming && !before.dropIncoming)
      options.onTrouble(
        "the host's firewall drops what it does not know: published TCP ports answer to other hosts only where its input rules let them in",
      );
    if (neighbours.dropForwarded && neighbours.dockerUser.length === 0 && !before.dropForwarded)
      options.onTrouble(
        "the host's firewall drops what is forwarded: containers reach other hosts only where its rules let them (ufw route allow in on BRIDGE)",
      );
  }

  /** Docker drops what is forwarded and has a chain in which others may say what passes. */
  async function makeWay(): Promise<void> {
    if (!neighbours.dropForwarded) return;
    for (const family of neighbours.dockerUser) {
      const listed = await listNft(["chain", family, "filter", "DOCKER-USER"]);
      const script = wayThroughDocker(family, listed, { comment: table, devices: [...bridges.keys()] });
      if (script !== "") await runNft(script);
    }
    seen = { ...seen, generation: rulesetGeneration(socket()) };
  }

  function ensure(): Promise<void> {
    if (restoring !== undefined) return restoring;
    if (isThere()) return Promise.resolve();
    restoring = restore().finally(() => {
      restoring = undefined;
    });
    return restoring;
  }

  /** What the books say goes into the table at once, or with the table when that is not there. */
  async function add(elements: readonly SetElement[]): Promise<void> {
    await (restoring ?? (isThere() ? undefined : ensure()));
    change({ add: elements });
  }

  function change(wanted: Parameters<typeof changeElements>[2]): void {
    changeElements(socket(), table, wanted);
    seen = { ...seen, generation: rulesetGeneration(socket()) };
  }

  /** A client that goes on sending is a flow that the kernel knows, to where the port led before. */
  function forgetDatagrams(rules: readonly PortRule[]): void {
    const ports = rules.flatMap(({ protocol, hostPort }) => (protocol === "udp" ? [hostPort] : []));
    if (ports.length === 0) return;
    try {
      forgetFlows(socket(), UDP, new Set(ports));
    } catch (error) {
      options.onTrouble(`forgetting flows of datagrams: ${messageOf(error)}`);
    }
  }

  function remove(elements: readonly SetElement[]): void {
    // A table that is gone, or on its way back, has nothing of it.
    if (seen.rules === 0) return;
    try {
      for (const element of elements) change({ remove: [element] });
    } catch (error) {
      seen = { ...seen, generation: -1 };
      if (!isMissing(error)) options.onTrouble(`firewall rules: ${messageOf(error)}`);
    }
  }

  /** After a change by others: our rules are there, and fit theirs. */
  async function lookAfter(): Promise<void> {
    if (restoring !== undefined || rulesetGeneration(socket()) === seen.generation) return;
    if (isThere()) {
      const { dropIncoming } = neighbours;
      await survey();
      if (neighbours.dropIncoming === dropIncoming) return makeWay();
      seen = { generation: -1, rules: 0 };
    }
    await ensure();
  }

  function look(): void {
    try {
      lookAfter().catch((error: unknown) =>
        options.onTrouble(`putting firewall rules back: ${messageOf(error)}`),
      );
    } catch (error) {
      options.onTrouble(`looking after the firewall rules: ${messageOf(error)}`);
    }
  }

  return {
    ensure,
    expect(ofBridges, ofPorts) {
      for (const rules of ofBridges) bridges.set(rules.device, rules);
      for (const rule of ofPorts) ports.set(keyOf(rule), rule);
    },
    async addBridge(rules) {
      const old = bridges.get(rules.device);
      bridges.set(rules.device, rules);
      if (old === undefined) await add(bridgeElements(rules));
      else await ensure();
      if (old === undefined) await makeWay();
      if (isClosed) return;
      timer ??= setInterval(look, LOOK_AFTER_MS).unref();
    },
    removeBridge(device) {
      const rules = bridges.get(device);
      if (rules === undefined) return;
      bridges.delete(device);
      remove(bridgeElements(rules));
      leaving = (leaving ?? Promise.resolve()).then(makeWay).catch(() => undefined);
      if (bridges.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
    async addPorts(rules) {
      if (rules.length === 0) return;
      for (const rule of rules) ports.set(keyOf(rule), rule);
      await add(rules.map(portElement));
      forgetDatagrams(rules);
    },
    removePorts(rules) {
      for (const rule of rules) ports.delete(keyOf(rule));
      remove(rules.map(portElement));
      forgetDatagrams(rules);
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      clearInterval(timer);
      if (restoring !== undefined) await restoring.catch(() => undefined);
      if (leaving !== undefined) await leaving;
      // Containers that run on need their rules; without any, nothing is left behind.
      if (bridges.size === 0 && seen.rules > 0)
        await runNft(`delete table inet ${table}`).catch(() => undefined);
      opened?.[Symbol.dispose]();
    },
  };
}

const keyOf = ({ protocol, hostAddress, hostPort }: PortRule): string =>
  `${protocol} ${hostAddress} ${hostPort}`;

function isMissing(error: unknown): boolean {
  return error instanceof PlyError && error.kind === "not-found";
}
