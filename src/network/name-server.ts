import type { Attachment } from "./attachment.ts";

/**
 * Answers the name queries of containers on networks of users. `serve` is called when a container's namespace and
 * addresses are there and nothing runs in it yet, and again for each container an engine adopts; `stop` when it goes.
 * Containers that are on the default bridge only are not served: they have the host's resolvers.
 */
export interface NameServer {
  serve(attachment: Attachment): void;
  stop(containerId: string): void;
  /** Servers of a container's own, in place of the host's, asked from its own network. Said before `serve`. */
  setServers(containerId: string, servers: readonly string[]): void;
  /** Resolves when the container can ask, or is not served. Throws "internal" when it never can. */
  ready(containerId: string): Promise<void>;
}
