import { Worker } from "node:worker_threads";
import { PlyError } from "../../error.ts";
import { workerUrl } from "../../worker-url.ts";
import type { Attachment } from "../attachment.ts";
import type { NameServer } from "../name-server.ts";
import type { Command, Reply, Served } from "./message.ts";
import type { Membership } from "./names.ts";

export interface NameServerParts {
  /** Whether a network has no way out. */
  readonly isInternal: (networkId: string) => boolean;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onTrouble?: (message: string) => void;
}

export interface OpenNameServer extends NameServer, Disposable {}

const DEFAULT_BRIDGE = "bridge";
/** The thread ends when nobody has needed it for so long. */
const IDLE_MS = 60_000;

/** Opens the name server. Its thread starts with the first container that is served. */
export function openNameServer({ isInternal, onTrouble }: NameServerParts): OpenNameServer {
  const served = new Map<string, Served>();
  const servers = new Map<string, readonly string[]>();
  const pending = new Map<string, Promise<void>>();
  const tickets = new Map<number, (problem: string | undefined) => void>();
  let worker: Worker | undefined;
  let lastTicket = 0;
  let idle: NodeJS.Timeout | undefined;

  function send(command: Command): void {
    clearTimeout(idle);
    worker ??= startThread();
    worker.postMessage(command);
  }

  function startThread(): Worker {
    const thread = new Worker(workerUrl("network/dns/dns.worker.ts"));
    let hasWorked = false;
    thread.unref();
    thread.on("message", ({ ticket, problem }: Reply) => {
      hasWorked = true;
      tickets.get(ticket)?.(problem);
      tickets.delete(ticket);
    });
    thread.on("error", (error: unknown) => onTrouble?.(`the name server's thread: ${error}`));
    thread.on("exit", () => {
      if (worker !== thread) return;
      worker = undefined;
      for (const settle of tickets.values()) settle("its thread ended");
      tickets.clear();
      // All that it knew is known here as well. One that never worked will not the next time either.
      if (hasWorked) for (const each of served.values()) open(each);
    });
    return thread;
  }

  function open(container: Served): void {
    const ticket = ++lastTicket;
    const done = new Promise<void>((resolve, reject) => {
      tickets.set(ticket, (problem) => {
        if (problem === undefined) resolve();
        else
          reject(
            new PlyError(
              "internal",
              `the name server cannot serve container ${container.container}: ${problem}`,
            ),
          );
      });
    });
    // Whoever starts the container hears of it by `ready`.
    done.catch(() => undefined);
    pending.set(container.container, done);
    send({ type: "serve", served: container, ticket });
  }

  function endThread(): void {
    clearTimeout(idle);
    const thread = worker;
    worker = undefined;
    void thread?.terminate();
  }

  return {
    serve({ containerId: container, netnsPath: namespace, endpoints }: Attachment) {
      const memberships = endpoints.map((endpoint): Membership => {
        const { networkId, networkName, names, ipv4, ipv6, options } = endpoint;
        // On the default bridge nobody has a name, as with Docker; it is but a way out.
        const isNamed = networkName !== DEFAULT_BRIDGE;
        return {
          networkId,
          networkName,
          names: isNamed ? names : [],
          addresses: isNamed ? [ipv4, ipv6].flatMap((each) => (each === null ? [] : [each.address])) : [],
          links: options.links ?? [],
          isExternal: !isInternal(networkId),
        };
      });
      const all = { container, namespace, memberships, servers: servers.get(container) ?? [] };
      served.set(container, all);
      open(all);
    },
    stop(container) {
      servers.delete(container);
      pending.delete(container);
      if (!served.delete(container)) return;
      send({ type: "stop", container });
      if (served.size > 0) return;
      idle = setTimeout(endThread, IDLE_MS);
      idle.unref();
    },
    setServers(container, own) {
      servers.set(container, own);
    },
    ready: async (container) => pending.get(container),
    [Symbol.dispose]() {
      endThread();
    },
  };
}
