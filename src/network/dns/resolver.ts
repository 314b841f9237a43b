import { answerFromNames, encodeWithin, fail, type Query, RCODE, readQuery } from "./answer.ts";
import type { Forwarder } from "./forward.ts";
import type { Names } from "./names.ts";
import { DNS_PORT } from "./redirect.ts";
import type { Server, Transport } from "./upstream.ts";

/** Who asks. */
export interface Asking {
  readonly container: string;
  /** Servers of its own. */
  readonly servers: readonly string[];
  /** Its network namespace. */
  readonly namespace: { run<T>(work: () => T): T };
}

export interface ResolverParts {
  readonly names: Names;
  readonly forwarder: Forwarder;
  readonly hostServers: () => readonly string[];
}

/** Answers a query; null: no answer is due. */
export type Resolver = (asking: Asking, bytes: Uint8Array, transport: Transport) => Promise<Buffer | null>;

/** Queries of one container that wait for other servers at once. */
const FORWARDED_AT_ONCE = 256;
/** The most that TCP carries. */
const TCP_LIMIT = 65_535;

/** Names of containers are answered here, everything else by the servers of the container or of the host. */
export function createResolver({ names, forwarder, hostServers }: ResolverParts): Resolver {
  const waiting = new Map<string, number>();

  function serversOf({ container, servers, namespace }: Asking): Server[] {
    const own = servers.map((address) => ({ address, port: DNS_PORT, namespace }));
    if (own.length > 0 || !names.isExternal(container)) return own;
    return hostServers().map((address) => ({ address, port: DNS_PORT, namespace: null }));
  }

  async function forward(asking: Asking, query: Query, bytes: Buffer, transport: Transport): Promise<Buffer> {
    const { container } = asking;
    const servers = serversOf(asking);
    const failed = (rcode: number) => encodeWithin(fail(query, rcode), TCP_LIMIT);
    // Nobody else can know a name without a dot.
    if (servers.length === 0)
      return failed(query.name.includes(".") ? RCODE.serverFailure : RCODE.noSuchName);
    const others = waiting.get(container) ?? 0;
    if (others >= FORWARDED_AT_ONCE) return failed(RCODE.refused);
    waiting.set(container, others + 1);
    try {
      return (await forwarder.forward(bytes, transport, servers)) ?? failed(RCODE.serverFailure);
    } finally {
      const left = (waiting.get(container) ?? 1) - 1;
      if (left === 0) waiting.delete(container);
      else waiting.set(container, left);
    }
  }

  return async (asking, bytes, transport) => {
    const query = readQuery(bytes);
    if (query === null || Buffer.isBuffer(query)) return query;
    const answer = answerFromNames(query, names, asking.container);
    if (answer !== undefined) return encodeWithin(answer, transport === "udp" ? query.udpLimit : TCP_LIMIT);
    // The bytes may be the socket's own, which takes the next query into them.
    return forward(asking, query, Buffer.from(bytes), transport);
  };
}
