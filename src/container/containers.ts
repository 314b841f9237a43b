import type { CommitOptions } from "../image/index.ts";
import type { IdMap } from "../linux/index.ts";
import type { EndpointOptions, PortRequest } from "../network/index.ts";
import type { Healthcheck, ImageId, ProcessConfig } from "../oci/index.ts";
import type { Resources, ResourceUsage } from "../runtime/index.ts";
import type { LayerStack } from "../store/index.ts";
import type { ContainerNetworking } from "./container-networking.ts";
import type { ContainerSnapshots } from "./container-snapshots.ts";
import type { DetailedChange } from "./detailed-change.ts";
import type { Execs, ProcessTable } from "./execs.ts";
import type { HealthState } from "./health-state.ts";
import type { HostSettings } from "./host-settings.ts";
import type { LoggingOptions } from "./log-option.ts";
import type { ContainerLogs } from "./logs.ts";
import type { OpenPlace, PlaceOptions } from "./open-place.ts";
import type { RestartPolicy } from "./restart-policy.ts";

/** What `create` is told. Names as users write them; inside, the image is resolved to its id. */
export interface CreateOptions {
  readonly name?: string;
  readonly image: string;
  /** Over the image's own settings; null entrypoint or cmd: the image's. */
  readonly process: ProcessOptions;
  readonly host: HostOptions;
  /** Layers that are no image yet, in place of the image's own: a build's, who keeps them. */
  readonly over?: LayersToRun;
}

export interface LayersToRun {
  /** What stands for the image where one is shown. */
  readonly imageId: ImageId;
  readonly config: ProcessConfig;
  readonly stack: LayerStack | null;
  /** More variables (`NAME=value`), which are never written down: they go with the engine. */
  readonly secretEnv?: readonly string[];
}

export interface ProcessOptions {
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
  readonly env: readonly string[];
  readonly workingDir: string;
  /** `user`, `uid`, `user:group`, looked up in the image's own passwd and group. */
  readonly user: string;
  readonly hostname: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** stdin closes when the first attached client leaves. */
  readonly stdinOnce: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  readonly exposedPorts: readonly string[];
  readonly domainname?: string;
  /** Seconds; negative: for ever. */
  readonly stopTimeout?: number;
  /** Over the image's, field by field. */
  readonly healthcheck?: Healthcheck;
}

/** How the host runs it. */
export interface HostOptions {
  /** `default`, `bridge`, `host`, `none`, `container:ID` or a network's name or id. */
  readonly networkMode: string;
  /** The networks it is on; filled in by `create`, changed by `connectNetwork`. Empty for host, none, container:ID. */
  readonly networks?: readonly EndpointOptions[];
  readonly ports?: readonly PortRequest[];
  /** `-P`. */
  readonly publishAllPorts?: boolean;
  /** Where `-P` publishes; absent: everywhere. */
  readonly publishAddress?: string;
  /** Docker's `-v` forms: `/host:/in[:ro]`, `name:/in`, `/in`. */
  readonly binds: readonly string[];
  readonly autoRemove: boolean;
  /** It does not outlive the engine that made it, nor need its files: a build's. */
  readonly isStep?: boolean;
  readonly readOnlyRootfs: boolean;
  /** The terminal's size before the first process can ask for it; later ones come by `resize`. */
  readonly consoleSize?: { readonly columns: number; readonly rows: number };
  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOpt: readonly string[];
  /** Absent: none of them is limited. */
  readonly resources?: Resources;
  /** Absent: "no". */
  readonly restart?: RestartPolicy;
  readonly settings?: HostSettings;
  /** Filled in by `create`. Absent in a container of an older engine: the default. */
  readonly logging?: LoggingOptions;
}

/** What may follow what: `state.ts`. */
export type ContainerStatus =
  | "created"
  | "running"
  | "paused"
  | "restarting"
  | "exited"
  | "removing"
  | "dead";

export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly imageId: ImageId;
  /** As the user wrote it. */
  readonly imageName: string;
  readonly createdAt: number;
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly exitCode: number;
  /** Why it did not start, in the runtime's words. */
  readonly error: string;
  readonly oomKilled: boolean;
  /** Restarts by its policy since it was last started by hand. */
  readonly restartCount?: number;
  /** Stopped by hand and not started since: its policy leaves it so. */
  readonly manuallyStopped?: boolean;
  /** Milliseconds since 1970, or null. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** What runs: image and options merged. */
  readonly config: ProcessConfig;
  readonly process: ProcessOptions;
  readonly host: HostOptions;
  readonly path: string;
  readonly args: readonly string[];
  /** Milliseconds of each phase of the last start. */
  readonly phases: Readonly<Record<string, number>>;
  /** What its health check found, when it has one. */
  readonly health?: HealthState;
  /** Whom its users are for the host, as of its last start; absent: themselves. */
  readonly idMap?: IdMap | undefined;
  /** What `binds` and the image's volumes came to. */
  readonly mounts?: readonly ContainerMount[];
}

/** Something of the host that a container sees at a place of its own. */
export interface ContainerMount {
  readonly kind: "bind" | "volume" | "tmpfs" | "image";
  /** Absolute host path of a bind; name of a volume; an image as the user wrote it; nothing for a tmpfs. */
  readonly source: string;
  /** Absolute path within the container. */
  readonly target: string;
  readonly readOnly: boolean;
  /** `rprivate`, `rslave`, `shared`, … */
  readonly propagation: string;
  /** A fresh volume stays empty, whatever the image has at its place. */
  readonly noCopy: boolean;
  /** As the user wrote it: `ro,z`. */
  readonly mode?: string;
  /** Mounts below the source of a bind are left out. */
  readonly nonRecursive?: boolean;
  /** Of a read-only one, what is mounted below it stays writable. */
  readonly writableBelow?: boolean;
  /** A bind's source is not made when it is missing. */
  readonly mustExist?: boolean;
  /** `idmap` of a bind: its files belong, in a user namespace, to the same users as on the host. */
  readonly idMapped?: boolean;
  /** Of an image. */
  readonly imageId?: ImageId;
  readonly imageStack?: LayerStack;
  /** Only this directory or file of a volume or an image. */
  readonly subpath?: string;
  /** Of a volume that is made for it. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly driverOptions?: Readonly<Record<string, string>>;
  /** Of a tmpfs, as mount(8) has them. */
  readonly options?: readonly string[];
}

/** A client's hold on a container's streams. Output is raw with a terminal; else each chunk says which stream. */
export interface Attachment extends AsyncDisposable {
  readonly output: AsyncIterable<{ readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }>;
  writeStdin(bytes: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
}

export interface FilesystemChange {
  /** Absolute path within the container. */
  readonly path: string;
  readonly kind: "modified" | "added" | "deleted";
}

export interface Containers extends ContainerLogs, ContainerNetworking {
  create(options: CreateOptions): Promise<{ id: string; warnings: string[] }>;
  /**
   * Other settings for a container that keeps its writable layer, volumes, name and snapshots; absent image: its own.
   * One that runs is stopped and started again. Returns warnings.
   */
  recreate(
    name: string,
    options: Omit<CreateOptions, "image" | "name"> & { readonly image?: string },
  ): Promise<string[]>;
  /** By id, unambiguous prefix or name; throws not-found "No such container: X". */
  get(name: string): ContainerRecord;
  list(): ContainerRecord[];
  /** May be called before `start`: then nothing printed is ever missed. */
  attach(
    name: string,
    streams: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean },
  ): Promise<Attachment>;
  /** Throws with details.exitCode 126 or 127 when the command cannot run. False: it ran already. */
  start(name: string): Promise<boolean>;
  wait(
    name: string,
    condition: "not-running" | "next-exit" | "removed",
    signal?: AbortSignal,
  ): Promise<{ exitCode: number; error?: string }>;
  kill(name: string, signal: string): Promise<void>;
  /** False: it was not running. */
  stop(
    name: string,
    options: { readonly signal?: string; readonly timeoutSeconds?: number },
  ): Promise<boolean>;
  /** Stops it if it runs, and starts it. */
  restart(
    name: string,
    options: { readonly signal?: string; readonly timeoutSeconds?: number },
  ): Promise<void>;
  /** Throws "conflict" when it does not run, or is paused already. */
  pause(name: string): Promise<void>;
  /** Throws "conflict" when it is not paused. */
  unpause(name: string): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  /** Changes limits and restart policy, of a running container at once. Fields that are absent stay. Returns warnings. */
  update(
    name: string,
    changes: { readonly resources?: Partial<Resources>; readonly restart?: RestartPolicy },
  ): Promise<string[]>;
  /** Undefined while it does not run. */
  usage(name: string): Promise<ResourceUsage | undefined>;
  resize(name: string, size: { readonly columns: number; readonly rows: number }): Promise<void>;
  remove(name: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  /** With options of ps; empty: `-ef`. Throws "conflict" when it does not run. */
  top(name: string, options: string): Promise<ProcessTable>;
  /** More processes in running containers. */
  readonly execs: Execs;
  changes(name: string): Promise<FilesystemChange[]>;
  /** Files are compared byte by byte where their sizes do not say it. */
  detailedChanges(name: string): Promise<DetailedChange[]>;
  /** The files of a container (running or not), an image or a volume. Throws not-found. */
  openPlace(name: string, options?: PlaceOptions): Promise<OpenPlace>;
  /** `volumes`: what is in its volumes goes into the image too. */
  commit(name: string, options: CommitOptions & { readonly volumes?: boolean }): Promise<ImageId>;
  /** What was kept of them, to go back to. */
  readonly snapshots: ContainerSnapshots;
  /** Bytes of the writable layer. */
  sizeOf(name: string): Promise<number>;
}
