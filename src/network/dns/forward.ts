import type { Exchange, Server, Transport } from "./upstream.ts";

export interface Forwarder {
  /** The first answer that says something; undefined when no server gave any. Rejects never. */
  forward(query: Buffer, transport: Transport, servers: readonly Server[]): Promise<Buffer | undefined>;
}

/** Below what clients wait (5 s as a rule), so that a second server has its turn. */
const TIMEOUT_MS = 2000;
/** A server that did not answer is asked last for so long. */
const SHUNNED_MS = 30_000;
const RCODE_MASK = 0x0f;
/** This server could not say; another one may. */
const UNHELPFUL: ReadonlySet<number> = new Set([2, 5]);

export interface ForwarderParts {
  readonly exchange: Exchange;
  readonly timeoutMs?: number;
  /** Milliseconds. */
  readonly clock?: () => number;
}

/** Asks servers one after the other, those that were silent lately last. */
export function createForwarder({
  exchange,
  timeoutMs = TIMEOUT_MS,
  clock = Date.now,
}: ForwarderParts): Forwarder {
  const shunned = new Map<string, number>();
  const isShunned = ({ address, port }: Server) => (shunned.get(`${address} ${port}`) ?? 0) > clock();

  return {
    async forward(query, transport, servers) {
      const inOrder = [...servers.filter((server) => !isShunned(server)), ...servers.filter(isShunned)];
      let unhelpful: Buffer | undefined;
      for (const server of inOrder) {
        const answer = await exchange(server, transport, query, timeoutMs);
        const key = `${server.address} ${server.port}`;
        if (answer === undefined) {
          shunned.set(key, clock() + SHUNNED_MS);
          continue;
        }
        shunned.delete(key);
        if (!UNHELPFUL.has((answer[3] ?? 0) & RCODE_MASK)) return answer;
        unhelpful ??= answer;
      }
      return unhelpful;
    },
  };
}
