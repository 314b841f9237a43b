import { spawn } from "node:child_process";
import { messageOf, PlyError } from "../error.ts";
import {
  changeElements,
  countRules,
  NETLINK,
  type NetlinkSocket,
  openNetlink,
  rulesetGeneration,
  type SetElement,
} from "../linux/index.ts";
import { findNft } from "./probe.ts";
import { type BridgeRules, bridgeElements, type PortRule, portElement, tableText } from "./rules.ts";

/** The rules of an engine: one nftables table, and what belongs in it by the engine's own books. */
export interface Firewall extends AsyncDisposable {
  /** Makes the rules if they are not there, or not any more. Throws "unavailable" when that cannot be done. */
  ensure(): Promise<void>;
  addBridge(rules: BridgeRules): Promise<void>;
  removeBridge(device: string): void;
  addPorts(rules: readonly PortRule[]): Promise<void>;
  removePorts(rules: readonly PortRule[]): void;
}

/** How soon rules that somebody flushed are put back. A look costs some 50 µs and is taken only while there is a bridge. */
const LOOK_AFTER_MS = 1000;

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
    await runNft(tableText(table));
    changeElements(socket(), table, { add: allElements() });
    seen = { generation: rulesetGeneration(socket()), rules: countRules(socket(), table) };
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

  function look(): void {
    try {
      ensure().catch((error: unknown) =>
        options.onTrouble(`putting firewall rules back: ${messageOf(error)}`),
      );
    } catch (error) {
      options.onTrouble(`looking after the firewall rules: ${messageOf(error)}`);
    }
  }

  return {
    ensure,
    async addBridge(rules) {
      const old = bridges.get(rules.device);
      bridges.set(rules.device, rules);
      if (old === undefined) await add(bridgeElements(rules));
      else await ensure();
      if (isClosed) return;
      timer ??= setInterval(look, LOOK_AFTER_MS).unref();
    },
    removeBridge(device) {
      const rules = bridges.get(device);
      if (rules === undefined) return;
      bridges.delete(device);
      remove(bridgeElements(rules));
      if (bridges.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
    async addPorts(rules) {
      if (rules.length === 0) return;
      for (const rule of rules) ports.set(keyOf(rule), rule);
      await add(rules.map(portElement));
    },
    removePorts(rules) {
      for (const rule of rules) ports.delete(keyOf(rule));
      remove(rules.map(portElement));
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      clearInterval(timer);
      if (restoring !== undefined) await restoring.catch(() => undefined);
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

/** Runs a script of nft's, all of it or nothing. Throws "unavailable" with its words. */
export function runNft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown) =>
      reject(
        new PlyError("unavailable", `nftables rules cannot be set: ${why}`, {
          cause,
          hint: "networks need nftables: apt-get install nftables",
        }),
      );
    const child = spawn(findNft() ?? "nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"] });
    let words = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      words += chunk;
    });
    child.on("error", (error) => failed(messageOf(error), error));
    child.on("close", (code) =>
      code === 0 ? resolve() : failed(words.split("\n")[0] ?? `exit code ${code}`),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(script);
  });
}
