import type { EndpointOptions } from "../network/index.ts";

/** Part of `Containers`: which networks a container is on. */
export interface ContainerNetworking {
  /** Live when it runs, else from its next start on. Throws not-found, "denied" for host, none and container:ID. */
  connectNetwork(name: string, endpoint: EndpointOptions): Promise<void>;
  /** `force` passes over a container or network that is gone. Throws "denied" when it is not on it. */
  disconnectNetwork(name: string, network: string, options: { readonly force: boolean }): Promise<void>;
}
