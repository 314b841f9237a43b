import type { Attachment, ContainerRecord, Containers, CreateOptions, Execs } from "../../container/index.ts";
import type { Engine } from "../../engine.ts";
import { PlyError } from "../../error.ts";
import type { EngineEvent, EventBus } from "../../event/index.ts";
import type { ImageDetail, ImageFilter, ImageSummary, Images } from "../../image/index.ts";
import { type ImageConfig, type ImageId, parseDiffId, parseDigest, parseImageId } from "../../oci/index.ts";
import type { RegistryClient } from "../../registry/index.ts";
import type { Volumes } from "../../volume/index.ts";

/** What a test may look at and set. Every method that a test does not give throws "internal". */
export interface FakeEngine extends Engine {
  readonly imageList: ImageSummary[];
  readonly containerList: ContainerRecord[];
  readonly created: CreateOptions[];
  readonly lastFilter: { value: ImageFilter | undefined };
  readonly streams: Map<string, FakeStreams>;
}

export interface FakeParts {
  readonly images?: Partial<Images>;
  readonly containers?: Partial<Containers>;
  readonly volumes?: Partial<Volumes>;
  readonly registry?: Partial<RegistryClient>;
  readonly builder?: Partial<Engine["builder"]>;
  readonly networks?: Partial<Engine["networks"]>;
  readonly events?: readonly EngineEvent[];
  readonly check?: Engine["check"];
}

export const NOW = Date.parse("2026-11-21T12:00:00Z");
const HOUR = 3_600_000;

/** An engine in memory, for the wire: it keeps no layers and runs nothing. */
export function fakeEngine(parts: FakeParts = {}): FakeEngine {
  const imageList = [
    fakeImage("alpine:latest", 1),
    fakeImage("localhost:5000/team/app:v1", 2),
    fakeImage("", 3),
  ];
  const containerList = [fakeContainer({ name: "web", status: "running" }), fakeContainer({ name: "old" })];
  const created: CreateOptions[] = [];
  const lastFilter: FakeEngine["lastFilter"] = { value: undefined };
  const streams = new Map<string, FakeStreams>();
  const find = (name: string): ImageSummary => {
    const image = imageList.find(
      ({ record }) =>
        record.id === name ||
        record.id.startsWith(`sha256:${name}`) ||
        record.names.some(
          (full) => full === name || full.endsWith(`/${name}`) || full.endsWith(`/${name}:latest`),
        ),
    );
    if (image === undefined) throw new PlyError("not-found", `No such image: ${name}`);
    return image;
  };
  const get = (name: string): ContainerRecord => {
    const container = containerList.find(
      (one) => one.name === name || (name !== "" && one.id.startsWith(name)),
    );
    if (container === undefined) throw new PlyError("not-found", `No such container: ${name}`);
    return container;
  };
  const images: Partial<Images> = {
    resolve: (name) => find(name).record,
    list: async (filter) => {
      lastFilter.value = filter;
      return imageList;
    },
    inspect: async (name) => fakeDetail(find(name)),
    history: async (name) => [
      {
        id: find(name).record.id,
        imageId: find(name).record.id,
        created: "2026-11-20T12:00:00.5Z",
        createdBy: 'CMD ["sh"]',
        size: 0,
        comment: "",
        tags: find(name).record.names,
        diffId: undefined,
        digest: undefined,
        emptyLayer: true,
      },
    ],
    diskUsage: async () => ({ layersSize: 1000, images: imageList }),
    ...parts.images,
  };
  const containers: Partial<Containers> = {
    get,
    list: () => containerList,
    sizeOf: async () => 4096,
    create: async (options) => {
      created.push(options);
      const container = fakeContainer({ name: options.name ?? "unnamed", status: "created", options });
      containerList.push(container);
      return { id: container.id, warnings: [] };
    },
    attach: async (name) => {
      const opened = streams.get(get(name).id) ?? fakeStreams();
      streams.set(get(name).id, opened);
      return opened.attachment;
    },
    execs: fakeExecs,
    snapshots: orThrow<Containers["snapshots"]>({ list: () => [] }, "containers.snapshots"),
    ...parts.containers,
  };
  return {
    imageList,
    containerList,
    created,
    lastFilter,
    streams,
    info: {
      id: "0f9d6a3e-0000-4000-8000-000000000000",
      root: "/var/lib/ply",
      runRoot: "/run/ply",
      storageDriver: {
        name: "erofs",
        description: "file-backed EROFS mounts",
        why: "the best that works here",
      },
      runtime: { name: "crun", version: "1.8.1" },
      runtimes: { crun: "/usr/bin/crun" },
      conmonVersion: "2.1.6",
      limits: {
        memory: true,
        swap: true,
        cpu: true,
        cpuset: true,
        pids: true,
        blkioWeight: false,
        deviceWeights: false,
        deviceRates: true,
        cpuRealtime: false,
        swappiness: true,
        oomKillDisable: true,
        devices: true,
        processors: 2,
      },
      warnings: ["no swap limit here"],
    },
    images: orThrow(images, "images"),
    containers: orThrow(containers, "containers"),
    volumes: orThrow({ list: () => [], get: noVolume, ...parts.volumes }, "volumes"),
    registry: orThrow(parts.registry ?? {}, "registry"),
    events: fakeEvents(parts.events ?? []),
    sessions: orThrow({}, "sessions"),
    builder: orThrow({ cache: NO_CACHE, ...parts.builder }, "builder"),
    networks: orThrow(
      {
        get: noNetwork,
        list: () => [],
        attachmentOf: () => undefined,
        endpointsOn: () => [],
        ...parts.networks,
      },
      "networks",
    ),
    examine: async () => [],
    check:
      parts.check ?? (async () => ({ problems: [], layersVerified: 2, blobsVerified: 3, bytesFreed: 0 })),
    async [Symbol.asyncDispose]() {},
  };
}

/** No sessions. */
const NO_CACHE: Engine["builder"]["cache"] = {
  entries: async () => [],
  prune: async () => ({ ids: [], bytesReclaimed: 0 }),
};

const fakeExecs: Execs = {
  create: noExec,
  get: noExec,
  start: noExec,
  detached: noExec,
  kill: noExec,
  resize: noExec,
  idsOf: () => [],
};

function noExec(id: string): never {
  throw new PlyError("not-found", `No such exec instance: ${id}`);
}

function noNetwork(name: string): never {
  throw new PlyError("not-found", `network ${name} not found`);
}

function noVolume(name: string): never {
  throw new PlyError("not-found", `get ${name}: no such volume`);
}

function orThrow<T extends object>(given: Partial<T>, what: string): T {
  return new Proxy(given, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (value !== undefined) return value;
      return () => {
        throw new PlyError("internal", `the test gave no ${what}.${String(name)}`);
      };
    },
  }) as T;
}

/** `digit` makes its id; an empty name, a dangling image. */
export function fakeImage(name: string, digit: number, options: { parent?: ImageId } = {}): ImageSummary {
  const hex = digit.toString(16).padStart(64, "0");
  const canonical = name === "" ? [] : [name.includes("/") ? name : `docker.io/library/${name}`];
  const diffId = parseDiffId(`sha256:${"d".repeat(64)}`);
  const config: ImageConfig = {
    architecture: "amd64",
    os: "linux",
    created: "2026-11-20T12:00:00Z",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"], Labels: { team: "web", number: String(digit) } },
    rootfs: { type: "layers", diff_ids: [diffId] },
  };
  return {
    record: {
      id: parseImageId(`sha256:${hex}`),
      diffIds: [diffId],
      chainId: null,
      os: "linux",
      architecture: "amd64",
      variant: "",
      builtAt: NOW - 24 * HOUR,
      arrivedAt: NOW - HOUR,
      lastUsedAt: null,
      lastTaggedAt: NOW - HOUR,
      parentId: options.parent ?? null,
      names: canonical,
      repoDigests: canonical.map((full) => `${full.replace(/:[^:/]*$/, "")}@sha256:${"e".repeat(64)}`),
      manifests: [parseDigest(`sha256:${"e".repeat(64)}`)],
    },
    config,
    sizes: { total: 5_000_000, unique: 1_000_000, shared: 4_000_000, compressed: 2_000_000 },
    containers: digit === 1 ? ["c1"] : [],
  };
}

function fakeDetail(summary: ImageSummary): ImageDetail {
  const diffId = summary.record.diffIds[0] ?? "";
  return {
    summary,
    config: summary.config,
    layers: [{ diffId, chainId: diffId, size: 5_000_000, digests: [`sha256:${"f".repeat(64)}`] }],
  };
}

export function fakeContainer(given: {
  readonly name: string;
  readonly status?: ContainerRecord["status"];
  readonly options?: CreateOptions;
  readonly process?: Partial<ContainerRecord["process"]>;
}): ContainerRecord {
  const status = given.status ?? "exited";
  return {
    id: Buffer.from(given.name.padEnd(32, "-")).toString("hex"),
    name: given.name,
    imageId: fakeImage("alpine:latest", 1).record.id,
    imageName: given.options?.image ?? "alpine",
    createdAt: NOW - 2 * HOUR - given.name.length,
    status,
    pid: 4711,
    exitCode: status === "exited" ? 3 : 0,
    error: "",
    oomKilled: false,
    startedAt: status === "created" ? null : NOW - HOUR,
    finishedAt: status === "exited" ? NOW - HOUR / 2 : null,
    config: { Cmd: ["sleep", "1"], Labels: { tier: given.name } },
    process: {
      entrypoint: null,
      cmd: ["sleep", "1"],
      env: [],
      workingDir: "",
      user: "",
      hostname: "",
      tty: false,
      openStdin: true,
      stdinOnce: true,
      labels: {},
      stopSignal: "",
      exposedPorts: [],
      ...given.options?.process,
      ...given.process,
    },
    host: given.options?.host ?? {
      networkMode: "host",
      binds: ["/data:/srv:ro"],
      autoRemove: false,
      readOnlyRootfs: false,
      privileged: false,
      capAdd: [],
      capDrop: [],
      securityOpt: [],
    },
    path: "sleep",
    args: ["1", "2 words"],
    phases: { prepare: 3, start: 20 },
    mounts: [
      {
        kind: "bind",
        source: "/data",
        target: "/srv",
        readOnly: true,
        propagation: "rprivate",
        noCopy: false,
      },
      {
        kind: "volume",
        source: "cache",
        target: "/cache",
        readOnly: false,
        propagation: "",
        noCopy: false,
      },
    ],
  };
}

function fakeEvents(past: readonly EngineEvent[]): EventBus {
  return {
    emit() {},
    async *subscribe(filter, signal) {
      for (const event of past) if (filter.matches?.(event) ?? true) yield event;
      if (filter.until === undefined)
        await new Promise<void>((resolve) =>
          signal.addEventListener("abort", () => resolve(), { once: true }),
        );
    },
  };
}

type Output = { readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array };

/** The streams of a container that a test plays. */
export interface FakeStreams {
  readonly attachment: Attachment;
  print(stream: Output["stream"], text: string): void;
  /** The process ended. */
  end(): void;
  /** All that was typed, as text; `closed` once stdin is. */
  readonly stdin: { text: string; closed: boolean };
  readonly disposed: Promise<void>;
}

export function fakeStreams(options: { readonly echo?: boolean } = {}): FakeStreams {
  const queue: Output[] = [];
  let ended = false;
  let wake = () => {};
  const stdin = { text: "", closed: false };
  const disposed = Promise.withResolvers<void>();
  const push = (output: Output) => {
    queue.push(output);
    wake();
  };
  const end = () => {
    ended = true;
    wake();
  };
  async function* output(): AsyncGenerator<Output> {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (ended) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return {
    stdin,
    end,
    disposed: disposed.promise,
    print: (stream, text) => push({ stream, bytes: Buffer.from(text) }),
    attachment: {
      output: output(),
      async writeStdin(bytes) {
        if (options.echo) push({ stream: "stdout", bytes: Uint8Array.from(bytes) });
        else stdin.text += Buffer.from(bytes).toString();
      },
      async closeStdin() {
        stdin.closed = true;
        if (options.echo) end();
      },
      async [Symbol.asyncDispose]() {
        end();
        disposed.resolve();
      },
    },
  };
}
