import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Builder } from "./build/index.ts";
import { createDeflatePool } from "./compress/index.ts";
import { type Containers, type OpenContainers, openContainers, removeLeftSteps } from "./container/index.ts";
import { joinBuilder } from "./engine-build.ts";
import { type BuilderGc, builderPolicy, parseBuilderGc } from "./engine-build-cache.ts";
import { readEngineConfig, readRegistriesConfig } from "./engine-config.ts";
import { type Ability, examine } from "./engine-doctor.ts";
import { joinSessions } from "./engine-sessions.ts";
import { messageOf } from "./error.ts";
import { createEventBus, type EventBus } from "./event/index.ts";
import { type Images, openImages } from "./image/index.ts";
import { createIngestPool } from "./layer/index.ts";
import { type Networks, type OpenNetworks, openNameServer, openNetworks } from "./network/index.ts";
import { openRegistry, type RegistryClient } from "./registry/index.ts";
import { type LimitAbilities, openRuntime } from "./runtime/index.ts";
import type { Sessions } from "./session/index.ts";
import { chooseDriver, openStateDirectory, type SnapshotDriver, type Tried } from "./snapshot/index.ts";
import { type CheckReport, openStore, type Store } from "./store/index.ts";
import { VERSION } from "./version.ts";
import { openVolumes, type Volumes } from "./volume/index.ts";

export interface EngineOptions {
  /** Where everything is kept: `/var/lib/ply`. */
  readonly root: string;
  /** What a reboot may take: `/run/ply`. */
  readonly runRoot: string;
  /** Folder with `engine.json`, `registries.json` and `certs.d/`; `/etc/ply` when absent. None needs to exist. */
  readonly configDir?: string;
  /** "auto" (the default) tries what works here; else the name of a storage driver. */
  readonly storageDriver?: string;
  /** User namespaces of containers that say nothing, as Docker's `userns-remap`: `default`, `user`, `user:group`. */
  readonly usernsRemap?: string;
  /** OCI runtimes that containers may ask for besides crun and runc: name → path. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Name of the OCI runtime of containers that ask for none. */
  readonly defaultRuntime?: string;
  /**
   * Sets the option `favordynmods` of the host's cgroups, for containers that start some 10 ms sooner. It is the whole
   * host's, and stays until a reboot. Absent: as `engine.json` says, else true.
   */
  readonly cgroupFavordynmods?: boolean;
  /** What of the build cache goes by itself. Absent: as `engine.json` says, else bounds that the disk suggests. */
  readonly builderGc?: BuilderGc;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onTrouble?: (message: string) => void;
}

/** What this engine and its host are, for `info` and `version`. */
export interface EngineInfo {
  readonly id: string;
  readonly root: string;
  readonly runRoot: string;
  /** `why`: how it came to be this one. */
  readonly storageDriver: { readonly name: string; readonly description: string; readonly why: string };
  readonly runtime: { readonly name: string; readonly version: string };
  /** Name → path of those that containers may ask for. */
  readonly runtimes: Readonly<Record<string, string>>;
  readonly conmonVersion: string;
  /** Which limits of containers this host can hold. */
  readonly limits: LimitAbilities;
  readonly warnings: readonly string[];
}

/** The parts of an engine, joined. Several may live in one process, each with its own roots. */
export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  readonly images: Images;
  readonly containers: Containers;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly registry: RegistryClient;
  readonly events: EventBus;
  readonly sessions: Sessions;
  readonly builder: Builder;
  /** Every name resolves, every layer verifies, nothing unknown is on disk. */
  check(options: { readonly repair: boolean; readonly signal?: AbortSignal }): Promise<CheckReport>;
  /** Tries anew what this host can do. */
  examine(): Promise<Ability[]>;
}

const DEFAULT_CONFIG_DIR = "/etc/ply";
/** Setting: why the root has the storage driver it has. */
const WHY_DRIVER = "storage-driver-why";
/** Certificates that users of the peers have in place already. */
const PEERS_CERTS_DIRS = ["/etc/docker/certs.d", "/etc/containers/certs.d"];
/** Events kept for `events --since`, and how far a slow reader may fall behind. */
const EVENTS_REMEMBERED = 4096;

/**
 * Constructs the parts and joins them. Throws "conflict" when another engine owns the root, "unsupported" with the
 * reasons when the host cannot do it, "invalid" for a configuration that cannot work. Dispose it to let go of the
 * root; containers run on.
 */
export async function openEngine(given: EngineOptions): Promise<Engine> {
  await using parts = new AsyncDisposableStack();
  const state = parts.use(await openStateDirectory(given.root, given.runRoot));
  const { configDir = DEFAULT_CONFIG_DIR } = given;
  const options = { ...(await readEngineConfig(configDir)), ...given, root: state.path };
  const { root, runRoot } = options;
  const pool = parts.use(createIngestPool());
  const [store, runtime, registries] = await Promise.all([
    openStore({ root, ingest: (job, open, ingest) => pool.ingest(job, open, ingest) }).then((it) =>
      parts.use(it),
    ),
    openRuntime({ runRoot, ...runtimeOptions(options) }).then((it) => parts.use(it)),
    readRegistriesConfig(configDir),
  ]);
  const snapshots = parts.use(await openSnapshots(options, store));
  store.onChainUnused = (chainId) => snapshots.remove(chainId);
  const registry = parts.use(
    openRegistry({
      ...registries,
      certsDirs: [join(configDir, "certs.d"), ...PEERS_CERTS_DIRS],
      userAgent: `ply/${VERSION}`,
      onFallback: ({ host, name, error }) => options.onTrouble?.(`${name}: mirror ${host}: ${error.message}`),
    }),
  );
  const events = createEventBus({ remember: EVENTS_REMEMBERED });
  // Images and containers know of each other; the containers come later.
  let known: OpenContainers | undefined;
  const images = openImages({
    store,
    registry,
    snapshots,
    events,
    deflater: parts.use(createDeflatePool()),
    isRunning: (id) => known?.isRunning(id) ?? false,
    containersOf: (id) => known?.list().flatMap((each) => (each.imageId === id ? [each.id] : [])) ?? [],
  });
  const volumes = parts.use(await openVolumes({ root, records: store.records("volume"), events }));
  const nameServer = parts.use(
    openNameServer({
      isInternal: (id) => networks.get(id).internal,
      onTrouble: (message) => options.onTrouble?.(message),
    }),
  );
  const networks: OpenNetworks = parts.use(
    openNetworks({
      root,
      engineId: engineId(store),
      networks: store.records("network"),
      attachments: store.records("attachment"),
      events,
      nameServer,
      onTrouble: (message) => options.onTrouble?.(message),
    }),
  );
  const containers = parts.use(
    await openContainers({
      records: store.records("container"),
      snapshotRecords: store.records("snapshot"),
      leases: store.leases,
      images,
      snapshots,
      runtime,
      volumes,
      networks,
      events,
      root,
      usernsRemap: options.usernsRemap ?? "",
      collectGarbage: () => store.collectGarbage(),
      onTrouble: (message, error) => options.onTrouble?.(`${message}: ${error}`),
    }),
  );
  known = containers;
  await removeLeftSteps(containers);
  const builder = parts.use(
    joinBuilder({
      ...{ root, runRoot, store, images, snapshots, containers, events },
      policy: builderPolicy(parseBuilderGc(options.builderGc ?? {}), root),
      log: (message) => options.onTrouble?.(message),
    }),
  );
  const sessions = parts.use(
    joinSessions({
      ...{ store, images, containers, networks, volumes },
      onTrouble: (message) => options.onTrouble?.(message),
    }),
  );
  // What the last engine was about to remove when it was killed. Nobody waits for it.
  store
    .collectGarbage()
    .catch((error: unknown) => options.onTrouble?.(`collecting garbage: ${messageOf(error)}`));

  const held = parts.move();
  return {
    info: {
      id: engineId(store),
      root,
      runRoot,
      storageDriver: {
        name: snapshots.name,
        description: snapshots.description,
        why: store.settings.get(WHY_DRIVER) ?? "this root was made with it",
      },
      runtime: { name: runtime.name, version: runtime.version },
      runtimes: Object.fromEntries(runtime.runtimes),
      conmonVersion: runtime.conmonVersion,
      limits: runtime.limits,
      warnings: [...state.warnings, ...runtime.warnings, ...networks.probe.problems],
    },
    images,
    containers,
    networks,
    volumes,
    registry,
    events,
    sessions,
    builder,
    examine: () => examine({ root, runRoot }),
    check: ({ repair, signal }) =>
      store.check({
        repair,
        openTar: (layer) => snapshots.openTar(layer),
        foreignOrphans: async (chains) => [
          ...(await snapshots.orphans(chains)),
          ...(await unknownIn(join(root, "containers"), new Set(containers.list().map(({ id }) => id)))),
          ...(await unknownIn(join(root, "volumes"), new Set(volumes.list().map(({ name }) => name)))),
        ],
        ...(signal === undefined ? {} : { signal }),
      }),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function runtimeOptions({ runtimes, defaultRuntime, cgroupFavordynmods }: EngineOptions) {
  return {
    ...(cgroupFavordynmods === undefined ? {} : { favorsQuickMoves: cgroupFavordynmods }),
    ...(runtimes === undefined ? {} : { runtimes }),
    ...(defaultRuntime === undefined ? {} : { defaultRuntime }),
  };
}

/** The driver this root was made with, else the best that works; remembered from then on. */
async function openSnapshots(options: EngineOptions, store: Store): Promise<SnapshotDriver> {
  const previous = store.settings.get("storage-driver");
  const { driver, tried } = await chooseDriver({
    root: options.root,
    runRoot: options.runRoot,
    wanted: options.storageDriver ?? "auto",
    previous,
  });
  store.settings.set("storage-driver", driver.name);
  if (previous === undefined) store.settings.set(WHY_DRIVER, whyDriver(options, tried));
  return driver;
}

function whyDriver({ storageDriver = "auto" }: EngineOptions, tried: readonly Tried[]): string {
  if (storageDriver !== "auto") return "this root was made with --storage-driver";
  const failed = tried.filter(({ ok }) => !ok).map(({ name, why }) => `${name}: ${why}`);
  return `the best that works here${failed.length === 0 ? "" : ` (${failed.join("; ")})`}`;
}

function engineId(store: Store): string {
  const known = store.settings.get("engine-id");
  if (known !== undefined) return known;
  const id = randomUUID();
  store.settings.set("engine-id", id);
  return id;
}

/** Entries of a folder of ours that nobody knows. */
async function unknownIn(folder: string, known: ReadonlySet<string>): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.filter((name) => !known.has(name)).map((name) => join(folder, name));
}
