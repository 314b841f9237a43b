import { isPlyError } from "../../../error.ts";
import { type GrpcConnection, just } from "../../../grpc/index.ts";
import { forwardedAgent } from "./agent.ts";
import type { KnownFiles } from "./known-files.ts";
import { credentials, getSecret, pull, readContent } from "./methods.ts";
import { receiveDirectory } from "./receive-directory.ts";
import { sendDirectory, sendFile } from "./send-output.ts";
import type { BuildkitSession, SessionCallOptions } from "./session.ts";

export interface ClientOptions {
  readonly id: string;
  readonly sharedKey: string;
  /** Paths of methods that the client answers. */
  readonly methods: readonly string[];
  readonly connection: GrpcConnection;
  /** Aborted when the connection has ended. */
  readonly closed: AbortSignal;
  /** Where agents' sockets are to be. */
  readonly agentDirectory: string;
  /** What clients have sent before. */
  readonly known: KnownFiles;
}

/** A session over its connection. */
export function sessionOver(options: ClientOptions): BuildkitSession {
  const { id, sharedKey, connection, closed, agentDirectory } = options;
  const methods = new Set(options.methods.map((path) => path.toLowerCase()));
  const supports = (path: string): boolean => methods.has(path.toLowerCase());
  // Whoever calls when the client is gone is told that, not what broke because of it.
  const withEnd = ({ signal }: SessionCallOptions = {}) => ({
    signal: signal === undefined ? closed : AbortSignal.any([signal, closed]),
  });
  return {
    id,
    sharedKey,
    closed,
    supports,
    directory: (name, filter, given = {}) =>
      receiveDirectory(connection, name, filter, {
        ...given,
        ...withEnd(given),
        known: options.known.of(sharedKey === "" ? "" : `${sharedKey}\n${name}`, Date.now()),
      }),
    async *upload(address, given) {
      const { host, pathname } = new URL(address);
      const metadata = { urlhost: host, urlpath: pathname };
      for await (const { data } of connection.call(pull, nothing(), { metadata, ...withEnd(given) }))
        yield data;
    },
    async *content(store, digest, given) {
      const metadata = { "buildkit-attachable-store-id": store };
      const calling = { metadata, ...withEnd(given) };
      for await (const { data } of connection.call(readContent, just({ digest }), calling)) yield data;
    },
    async credentialsOf(domain, given) {
      if (!supports(credentials.path)) return undefined;
      const host = domain === "docker.io" ? "registry-1.docker.io" : domain;
      const { username, secret } = await connection.ask(credentials, { host }, withEnd(given));
      if (secret === "") return undefined;
      // Without a name it is what a registry gave for one.
      return username === "" ? { identityToken: secret } : { username, password: secret };
    },
    async secret(id, given) {
      if (!supports(getSecret.path)) return undefined;
      try {
        return (await connection.ask(getSecret, { id }, withEnd(given))).data;
      } catch (error) {
        if (isPlyError(error, "not-found")) return undefined;
        throw error;
      }
    },
    agent: (id, given) => forwardedAgent(connection, id, { directory: agentDirectory, ...withEnd(given) }),
    sendFile: (content, given) => sendFile(connection, content, { ...given, ...withEnd(given) }),
    sendDirectory: (tar, given) => sendDirectory(connection, tar, { ...given, ...withEnd(given) }),
  };
}

async function* nothing(): AsyncGenerator<never, void> {}
