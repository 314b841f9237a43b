import { isPlyError } from "../error.ts";
import type { DockerEvent, DockerInfo, DockerNetwork, DockerVersion, DockerVolume } from "../wire/index.ts";
import { type BuildCache, createBuildCache } from "./build/cache.ts";
import { type Containers, createContainers } from "./containers.ts";
import type { EngineHttp } from "./http.ts";
import { createImages, type Images } from "./images.ts";

export interface EventOptions {
  readonly filters?: Readonly<Record<string, readonly string[]>>;
  readonly since?: Date;
  /** Without it the events go on until the loop is left. */
  readonly until?: Date;
  readonly signal?: AbortSignal;
}

export interface VolumeOptions {
  /** Absent: one that the engine makes up. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface NetworkOptions {
  readonly name: string;
  readonly driver?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Containers on it reach nothing outside. */
  readonly internal?: boolean;
  /** `10.5.0.0/24`; absent: one that is free. */
  readonly subnet?: string;
}

/** `await using` removes it at the end of the block. */
export interface Volume extends AsyncDisposable {
  readonly name: string;
  inspect(): Promise<DockerVolume>;
  remove(): Promise<void>;
}

/** `await using` removes it at the end of the block. */
export interface Network extends AsyncDisposable {
  readonly id: string;
  inspect(): Promise<DockerNetwork>;
  connect(container: string, options?: { readonly aliases?: readonly string[] }): Promise<void>;
  disconnect(container: string): Promise<void>;
  remove(): Promise<void>;
}

/** An engine's API, typed. Every method throws PlyErrors: `kind` says what can be done, `details.status` is HTTP's. */
export interface EngineClient {
  readonly images: Images;
  /** What builds keep for the next one. */
  readonly buildCache: BuildCache;
  readonly containers: Containers;
  readonly volumes: {
    create(options?: VolumeOptions): Promise<Volume>;
    get(name: string): Volume;
    list(): Promise<readonly DockerVolume[]>;
  };
  readonly networks: {
    create(options: NetworkOptions): Promise<Network>;
    get(name: string): Network;
    list(): Promise<DockerNetwork[]>;
  };
  events(options?: EventOptions): Promise<AsyncIterable<DockerEvent>>;
  version(): Promise<DockerVersion>;
  info(): Promise<DockerInfo>;
  /** Anything else the API has. */
  readonly http: EngineHttp;
}

export function createClient(http: EngineHttp): EngineClient {
  const volume = (name: string): Volume => {
    const at = `/volumes/${encodeURIComponent(name)}`;
    const remove = () => ignoreAbsence(http.json("DELETE", at));
    return { name, inspect: () => http.json("GET", at), remove, [Symbol.asyncDispose]: remove };
  };
  const network = (id: string): Network => {
    const at = `/networks/${encodeURIComponent(id)}`;
    const remove = () => ignoreAbsence(http.json("DELETE", at));
    return {
      id,
      inspect: () => http.json("GET", at),
      connect: (container, { aliases } = {}) =>
        http.json("POST", `${at}/connect`, {
          json: {
            Container: container,
            ...(aliases === undefined ? {} : { EndpointConfig: { Aliases: aliases } }),
          },
        }),
      disconnect: (container) => http.json("POST", `${at}/disconnect`, { json: { Container: container } }),
      remove,
      [Symbol.asyncDispose]: remove,
    };
  };
  return {
    images: createImages(http),
    buildCache: createBuildCache(http),
    containers: createContainers(http),
    volumes: {
      async create({ name, labels } = {}) {
        const made = await http.json<DockerVolume>("POST", "/volumes/create", {
          json: { Name: name, Labels: labels },
        });
        return volume(made.Name);
      },
      get: volume,
      list: async () => (await http.json<{ Volumes: readonly DockerVolume[] }>("GET", "/volumes")).Volumes,
    },
    networks: {
      async create({ name, driver, labels, internal, subnet }) {
        const made = await http.json<{ Id: string }>("POST", "/networks/create", {
          json: {
            Name: name,
            Driver: driver,
            Labels: labels,
            Internal: internal,
            ...(subnet === undefined ? {} : { IPAM: { Config: [{ Subnet: subnet }] } }),
          },
        });
        return network(made.Id);
      },
      get: network,
      list: () => http.json("GET", "/networks"),
    },
    events: ({ filters, since, until, signal } = {}) =>
      http.lines("GET", "/events", {
        query: {
          filters: filters === undefined ? undefined : JSON.stringify(filters),
          since: since === undefined ? undefined : since.getTime() / 1000,
          until: until === undefined ? undefined : until.getTime() / 1000,
        },
        signal,
      }),
    version: () => http.json("GET", "/version"),
    info: () => http.json("GET", "/info"),
    http,
  };
}

async function ignoreAbsence(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!isPlyError(error, "not-found")) throw error;
  }
}
