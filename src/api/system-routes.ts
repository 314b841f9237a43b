import { posix } from "node:path";
import { privateSize } from "../build/index.ts";
import { type ContainerStatus, isActive } from "../container/index.ts";
import type { Engine } from "../engine.ts";
import { isPlyError, PlyError } from "../error.ts";
import { DEFAULT_DOMAIN, hostPlatform } from "../oci/index.ts";
import { findInit } from "../runtime/index.ts";
import { VERSION } from "../version.ts";
import type {
  DockerAuthResponse,
  DockerBuildCache,
  DockerDiskUsage,
  DockerInfo,
  DockerVersion,
} from "../wire/index.ts";
import { API_VERSION, MIN_API_VERSION } from "./api-version.ts";
import { dockerBuildCache } from "./builder-cache-routes.ts";
import { sizesOf } from "./container-routes.ts";
import { dockerContainerSummary } from "./container-view.ts";
import { registryHost, toCredentials } from "./credentials.ts";
import { streamEvents } from "./event-routes.ts";
import { type Exchange, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import { readHostFacts } from "./host-facts.ts";
import { dockerImageSummary } from "./image-view.ts";
import { viewContainerNetworks } from "./network-view.ts";
import type { ApiRoute, Service } from "./service.ts";
import { volumesWithUsage } from "./volume-routes.ts";

/** The engine itself: ping, version, info, login, disk usage, events. */
export const systemRoutes: readonly ApiRoute[] = [
  { method: "HEAD", path: "/_ping", handler: ping },
  { method: "GET", path: "/_ping", handler: ping },
  { method: "GET", path: "/version", handler: version },
  { method: "GET", path: "/info", handler: info },
  { method: "POST", path: "/auth", handler: auth },
  { method: "GET", path: "/system/df", handler: diskUsage },
  { method: "GET", path: "/events", handler: streamEvents },
  { method: "GET", path: "/debug/vars", handler: debugVariables },
];

function ping(exchange: Exchange): void {
  const { response } = exchange;
  response.setHeader("Builder-Version", "1");
  response.setHeader("Swarm", "inactive");
  response.setHeader("Cache-Control", "no-cache, no-store, must-revalidate");
  response.setHeader("Pragma", "no-cache");
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  if (exchange.method === "HEAD") sendEmpty(exchange, 200);
  else response.end("OK");
}

/** What Docker's Go programs publish there, of this one. */
function debugVariables(exchange: Exchange): void {
  sendJson(exchange, 200, { cmdline: process.argv, memstats: process.memoryUsage() });
}

async function version(exchange: Exchange, { engine, startedAt }: Service): Promise<void> {
  const host = readHostFacts();
  const { runtime, conmonVersion } = engine.info;
  const { architecture } = hostPlatform();
  const body: DockerVersion = {
    Platform: { Name: "ply" },
    Components: [
      {
        Name: "Engine",
        Version: VERSION,
        Details: {
          ApiVersion: API_VERSION,
          Arch: architecture,
          Experimental: "true",
          KernelVersion: host.kernelVersion,
          MinAPIVersion: MIN_API_VERSION,
          Os: "linux",
          // The field is Go's: what runs here is said in its place.
          GoVersion: runtimeOfProcess(),
          GitCommit: "",
          BuildTime: "",
          Started: new Date(startedAt).toISOString(),
        },
      },
      { Name: runtime.name, Version: runtime.version },
      { Name: "conmon", Version: conmonVersion },
    ],
    Version: VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: "",
    GoVersion: runtimeOfProcess(),
    Os: "linux",
    Arch: architecture,
    KernelVersion: host.kernelVersion,
    BuildTime: "",
  };
  sendJson(exchange, 200, body);
}

function runtimeOfProcess(): string {
  const { bun, node } = process.versions;
  return bun === undefined ? `node ${node}` : `bun ${bun}`;
}

async function info(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const host = readHostFacts();
  const [images, init] = await Promise.all([engine.images.list(), findInit()]);
  const containers = engine.containers.list();
  const count = (isOne: (status: ContainerStatus) => boolean) =>
    containers.filter((container) => isOne(container.status)).length;
  const { runtime, warnings } = engine.info;
  const body: DockerInfo & Readonly<Record<string, unknown>> = {
    ...UNUSED_INFO,
    ...limitsOf(engine.info.limits),
    ID: engine.info.id,
    Containers: containers.length,
    ContainersRunning: count((status) => status === "running"),
    ContainersPaused: count((status) => status === "paused"),
    ContainersStopped: count((status) => !isActive(status)),
    Images: images.length,
    Driver: engine.info.storageDriver.name,
    DriverStatus: [
      ["Mode", engine.info.storageDriver.description],
      ["Why", engine.info.storageDriver.why],
    ],
    DockerRootDir: engine.info.root,
    SystemTime: new Date(clock()).toISOString(),
    LoggingDriver: "json-file",
    CgroupDriver: "cgroupfs",
    CgroupVersion: host.cgroupVersion,
    KernelVersion: host.kernelVersion,
    OperatingSystem: host.operatingSystem,
    OSVersion: host.osVersion,
    OSType: "linux",
    Architecture: host.machine,
    NCPU: host.processors,
    MemTotal: host.memoryBytes,
    IndexServerAddress: "https://index.docker.io/v1/",
    HttpProxy: redactedProxy("HTTP_PROXY"),
    HttpsProxy: redactedProxy("HTTPS_PROXY"),
    NoProxy: process.env["NO_PROXY"] ?? process.env["no_proxy"] ?? "",
    Name: host.name,
    Labels: [],
    ServerVersion: VERSION,
    Runtimes: Object.fromEntries(
      Object.entries(engine.info.runtimes).map(([name, path]) => [name, { path }]),
    ),
    DefaultRuntime: runtime.name,
    SecurityOptions: [
      ...(host.hasAppArmor ? ["name=apparmor"] : []),
      ...(host.hasSeccomp ? ["name=seccomp,profile=builtin"] : []),
      ...(host.cgroupVersion === "2" ? ["name=cgroupns"] : []),
    ],
    InitBinary: init === undefined ? "" : posix.basename(init),
    Swarm: INACTIVE_SWARM,
    // Docker's client prints them as they are.
    Warnings: warnings.length === 0 ? null : warnings.map((warning) => `WARNING: ${warning}`),
  };
  sendJson(exchange, 200, body);
}

/** Docker's names; its clients print a warning for each that is false. */
function limitsOf({ memory, swap, cpu, cpuset, pids, oomKillDisable }: Engine["info"]["limits"]) {
  return {
    MemoryLimit: memory,
    SwapLimit: swap,
    CpuCfsPeriod: cpu,
    CpuCfsQuota: cpu,
    CPUShares: cpu,
    CPUSet: cpuset,
    PidsLimit: pids,
    OomKillDisable: oomKillDisable,
  };
}

function redactedProxy(name: string): string {
  const value = process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return value.replace(/\/\/[^/@]*@/, "//xxxxx:xxxxx@");
}

const INACTIVE_SWARM = {
  NodeID: "",
  NodeAddr: "",
  LocalNodeState: "inactive",
  ControlAvailable: false,
  Error: "",
  RemoteManagers: null,
} as const;

/** What Docker's clients read and has one answer here. */
const UNUSED_INFO = {
  Plugins: {
    Volume: ["local"],
    Network: ["bridge", "host", "ipvlan", "macvlan", "null"],
    Authorization: null,
    Log: ["json-file", "local", "none"],
  },
  // Asked for by clients to warn about bridges; there is none to warn about.
  IPv4Forwarding: true,
  BridgeNfIptables: true,
  BridgeNfIp6tables: true,
  Debug: false,
  NFd: 0,
  NGoroutines: 0,
  NEventsListener: 0,
  RegistryConfig: {
    InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"],
    IndexConfigs: { "docker.io": { Name: "docker.io", Mirrors: [], Secure: true, Official: true } },
    Mirrors: null,
  },
  GenericResources: null,
  ExperimentalBuild: true,
  LiveRestoreEnabled: true,
  Isolation: "",
  ContainerdCommit: { ID: "" },
  RuncCommit: { ID: "" },
  InitCommit: { ID: "" },
  ProductLicense: "",
  CDISpecDirs: [],
} as const;

async function auth(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  const address = body["serveraddress"];
  const host = typeof address === "string" ? registryHost(address) : DEFAULT_DOMAIN;
  try {
    const { identityToken } = await engine.registry.login(host, toCredentials(body) ?? {}, {
      signal: exchange.signal,
    });
    const answer: DockerAuthResponse = { Status: "Login Succeeded", IdentityToken: identityToken ?? "" };
    sendJson(exchange, 200, answer);
  } catch (error) {
    if (!isPlyError(error, "denied")) throw error;
    throw new PlyError("denied", error.message, {
      cause: error,
      details: { ...error.details, httpStatus: 401 },
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

const DISK_USAGE_TYPES = ["container", "image", "volume", "build-cache"];

async function diskUsage(exchange: Exchange, service: Service): Promise<void> {
  const { engine, clock } = service;
  const types = exchange.query.getAll("type");
  for (const type of types)
    if (!DISK_USAGE_TYPES.includes(type)) throw new PlyError("invalid", `unknown object type: ${type}`);
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const usage = wants("image") ? await engine.images.diskUsage() : undefined;
  const containers = wants("container") ? await containersWithSizes(service) : null;
  const cache = wants("build-cache") ? await engine.builder.cache.entries() : undefined;
  const images =
    usage?.images.map((image) =>
      dockerImageSummary(image, { apiMinor: exchange.apiMinor, sharedSize: true, containers: true }),
    ) ?? null;
  const body: DockerDiskUsage & Readonly<Record<string, unknown>> = {
    LayersSize: usage?.layersSize ?? 0,
    Images: images,
    Containers:
      containers?.map(({ container, sizes }) =>
        dockerContainerSummary(container, {
          nowMs: clock(),
          root: engine.info.root,
          network: viewContainerNetworks(container, engine.networks, exchange.apiMinor),
          sizes,
        }),
      ) ?? null,
    Volumes: wants("volume") ? await volumesWithUsage(service) : null,
    BuildCache: cache?.map((entry) => ofVersion(dockerBuildCache(entry), exchange.apiMinor)) ?? null,
    ...(exchange.apiMinor < 43 ? { BuilderSize: privateSize(cache ?? []) } : {}),
  };
  sendJson(exchange, 200, body);
}

/** Before API 1.42 there was one parent. */
function ofVersion(entry: DockerBuildCache, apiMinor: number): DockerBuildCache {
  const { Parents = [], ...rest } = entry;
  return apiMinor < 42 ? { ...rest, Parent: Parents[0] ?? "" } : entry;
}

async function containersWithSizes(service: Service) {
  const containers: ReturnType<Engine["containers"]["list"]> = service.engine.containers.list();
  const sizes = await sizesOf(service, containers);
  return containers.flatMap((container) => {
    const own = sizes.get(container.id);
    return own === undefined ? [] : [{ container, sizes: own }];
  });
}
