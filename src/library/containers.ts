import type { DockerContainerSummary, DockerCreateResponse, DockerHostConfig } from "../wire/index.ts";
import type { Container, ExecResult } from "./container.ts";
import type { EngineHttp } from "./http.ts";
import { openContainer } from "./open-container.ts";
import { textOf } from "./output.ts";

/** A port of the container, by number (a free port of the host) or in full. */
export type PortOption =
  | number
  | {
      readonly container: number;
      /** Absent: a free one. */
      readonly host?: number;
      /** Absent: 127.0.0.1. */
      readonly address?: string;
      readonly protocol?: "tcp" | "udp" | "sctp";
    };

export interface CreateOptions {
  readonly image: string;
  readonly name?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly tty?: boolean;
  /** Keeps standard input open, for `attach`. */
  readonly stdin?: boolean;
  readonly ports?: readonly PortOption[];
  /** Volumes and directories of the host, as `-v` has them: `data:/data`, `/src:/src:ro`. */
  readonly mounts?: readonly string[];
  /** `none`, `host`, or a network's name. */
  readonly network?: string;
  /** Other names on that network. */
  readonly aliases?: readonly string[];
  readonly healthcheck?: {
    readonly command: readonly string[];
    readonly intervalMs?: number;
    readonly timeoutMs?: number;
    readonly retries?: number;
    readonly startPeriodMs?: number;
  };
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly privileged?: boolean;
  /** Whatever else the API has for the host's side, in its own words. */
  readonly hostConfig?: DockerHostConfig;
}

export interface Containers {
  create(options: CreateOptions): Promise<Container>;
  /** Created and started. One that cannot start is removed again. */
  run(options: CreateOptions): Promise<Container>;
  /** Runs to the end: what it printed, its exit code; the container is removed. */
  output(options: CreateOptions): Promise<ExecResult>;
  /** By id or name; nothing is asked of the engine. */
  get(name: string): Container;
  list(options?: {
    readonly all?: boolean;
    readonly filters?: Readonly<Record<string, readonly string[]>>;
  }): Promise<DockerContainerSummary[]>;
}

export function createContainers(http: EngineHttp): Containers {
  async function create(options: CreateOptions): Promise<Container> {
    const { Id } = await http.json<DockerCreateResponse>("POST", "/containers/create", {
      query: { name: options.name },
      json: createBody(options),
    });
    return openContainer(http, Id);
  }

  async function run(options: CreateOptions): Promise<Container> {
    const container = await create(options);
    try {
      await container.start();
    } catch (error) {
      await container.remove({ force: true, volumes: true });
      throw error;
    }
    return container;
  }

  return {
    create,
    run,
    async output(options) {
      const container = await run(options);
      try {
        const exitCode = await container.wait();
        return { ...(await textOf(container.logs())), exitCode };
      } finally {
        await container.remove({ force: true, volumes: true });
      }
    },
    get: (name) => openContainer(http, name),
    list: ({ all, filters } = {}) =>
      http.json("GET", "/containers/json", {
        query: { all, filters: filters === undefined ? undefined : JSON.stringify(filters) },
      }),
  };
}

const NS_PER_MS = 1_000_000;
const NS_PER_S = 1_000_000_000;

/** The API's words for the options; what is not given is left to the image and the engine. */
export function createBody(options: CreateOptions): object {
  const { healthcheck, network, aliases } = options;
  const ports = (options.ports ?? []).map((port) => (typeof port === "number" ? { container: port } : port));
  const keyOf = ({ container, protocol = "tcp" }: { container: number; protocol?: string }): string =>
    `${container}/${protocol}`;
  return {
    Image: options.image,
    Cmd: options.command,
    Entrypoint: options.entrypoint,
    Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    Labels: options.labels,
    WorkingDir: options.workingDir,
    User: options.user,
    Hostname: options.hostname,
    Tty: options.tty === true,
    OpenStdin: options.stdin === true,
    StdinOnce: options.stdin === true,
    ...(healthcheck === undefined
      ? {}
      : {
          Healthcheck: {
            Test: ["CMD", ...healthcheck.command],
            Interval: (healthcheck.intervalMs ?? 0) * NS_PER_MS,
            Timeout: (healthcheck.timeoutMs ?? 0) * NS_PER_MS,
            StartPeriod: (healthcheck.startPeriodMs ?? 0) * NS_PER_MS,
            Retries: healthcheck.retries ?? 0,
          },
        }),
    ExposedPorts: Object.fromEntries(ports.map((port) => [keyOf(port), {}])),
    HostConfig: {
      Binds: options.mounts,
      NetworkMode: network,
      PortBindings: bindingsOf(ports.map((port) => [keyOf(port), port] as const)),
      Memory: options.memoryBytes,
      NanoCpus: options.cpus === undefined ? undefined : Math.round(options.cpus * NS_PER_S),
      Privileged: options.privileged,
      ...options.hostConfig,
    },
    ...(network === undefined || aliases === undefined
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } } }),
  };
}

type FullPort = Exclude<PortOption, number>;

function bindingsOf(ports: readonly (readonly [key: string, port: FullPort])[]): Record<string, object[]> {
  const bindings: Record<string, object[]> = {};
  for (const [key, { host, address = "127.0.0.1" }] of ports) {
    const binding = { HostIp: address, HostPort: host === undefined ? "" : String(host) };
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
  return bindings;
}
