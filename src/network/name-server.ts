import type { Attachment } from "./attachment.ts";

/**
 * Answers the name queries of containers on networks of users. `serve` is called when a container's namespace and
 * addresses are there and nothing runs in it yet, and again for each container an engine adopts; `stop` when it goes.
 * Containers that are on the default bridge only are not served: they have the host's resolvers.
 */
export interface NameServer {
  serve(attachment: Attachment): void;
  stop(containerId: string): void;
}
