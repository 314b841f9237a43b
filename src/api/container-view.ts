import { type ContainerRecord, type FilesystemChange, hasProcess, isActive } from "../container/index.ts";
import { formatDuration } from "../duration.ts";
import type { ImageSummary } from "../image/index.ts";
import type {
  DockerChange,
  DockerContainerConfig,
  DockerContainerInspect,
  DockerContainerSummary,
  DockerMountPoint,
} from "../wire/index.ts";
import { healthOf, healthWords } from "./health-view.ts";
import { viewHostSettings } from "./host-settings.ts";
import { dockerImageConfig } from "./image-view.ts";
import { logConfig } from "./log-config.ts";
import type { ContainerNetworkView } from "./network-view.ts";
import { viewPortBindings } from "./port-map.ts";
import { dockerLimits } from "./resource-request.ts";
import { formatTime } from "./timestamp.ts";

/** The engine's containers as Docker's bodies. */

export interface ContainerSizes {
  readonly writable: number;
  readonly rootfs: number;
}

/** Bytes of a container's own layer and of the whole. */
export function containerSizes(writable: number, image: ImageSummary | undefined): ContainerSizes {
  return { writable, rootfs: writable + (image?.sizes.total ?? 0) };
}

export function dockerContainerSummary(
  container: ContainerRecord,
  options: {
    readonly nowMs: number;
    readonly root: string;
    readonly network: ContainerNetworkView;
    readonly sizes?: ContainerSizes;
  },
): DockerContainerSummary {
  const { annotations } = container.host.settings ?? {};
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: container.imageName,
    ImageID: container.imageId,
    Command: [container.path, ...container.args.map(quoted)].join(" "),
    Created: Math.floor(container.createdAt / 1000),
    Ports: options.network.ports,
    ...(options.sizes === undefined
      ? {}
      : { SizeRw: options.sizes.writable, SizeRootFs: options.sizes.rootfs }),
    Labels: container.config.Labels ?? {},
    State: container.status,
    Status: statusText(container, options.nowMs),
    HostConfig: {
      NetworkMode: container.host.networkMode,
      ...(annotations === undefined ? {} : { Annotations: annotations }),
    },
    NetworkSettings: { Networks: options.network.endpoints },
    Mounts: mountsOf(container, options.root),
  };
}

function quoted(word: string): string {
  return word.includes(" ") ? `'${word}'` : word;
}

/** Docker's words: "Up 3 minutes", "Exited (0) 2 hours ago". */
export function statusText(container: ContainerRecord, nowMs: number): string {
  switch (container.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${formatDuration(nowMs - (container.startedAt ?? nowMs))}${healthWords(container)}`;
    case "paused":
      return `Up ${formatDuration(nowMs - (container.startedAt ?? nowMs))} (Paused)`;
    case "restarting":
      return `Restarting (${container.exitCode}) ${formatDuration(nowMs - (container.finishedAt ?? nowMs))} ago`;
    case "exited":
      return `Exited (${container.exitCode}) ${formatDuration(nowMs - (container.finishedAt ?? nowMs))} ago`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    default:
      return String(container.status satisfies never);
  }
}

export function dockerContainerInspect(
  container: ContainerRecord,
  options: {
    readonly driver: string;
    /** Of containers that ask for none. */
    readonly runtime?: string;
    readonly root: string;
    readonly network: ContainerNetworkView;
    readonly sizes?: ContainerSizes;
    readonly execIds?: readonly string[];
  },
): DockerContainerInspect {
  const { host, status } = container;
  const dir = `${options.root}/containers/${container.id}`;
  return {
    Id: container.id,
    Created: formatTime(container.createdAt),
    Path: container.path,
    Args: container.args,
    State: {
      Status: status,
      Running: isActive(status),
      Paused: status === "paused",
      Restarting: status === "restarting",
      OOMKilled: container.oomKilled,
      Dead: status === "dead",
      Pid: hasProcess(status) ? container.pid : 0,
      ExitCode: container.exitCode,
      Error: container.error,
      StartedAt: formatTime(container.startedAt),
      FinishedAt: formatTime(container.finishedAt),
      ...healthOf(container),
    },
    Image: container.imageId,
    ResolvConfPath: `${dir}/resolv.conf`,
    HostnamePath: `${dir}/hostname`,
    HostsPath: `${dir}/hosts`,
    LogPath: host.logging?.driver === "none" ? "" : `${dir}/log`,
    Name: `/${container.name}`,
    RestartCount: container.restartCount ?? 0,
    Driver: options.driver,
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: options.execIds === undefined || options.execIds.length === 0 ? null : options.execIds,
    HostConfig: {
      ...USUAL_HOST_CONFIG,
      ...(options.runtime === undefined ? {} : { Runtime: options.runtime }),
      ...logConfig(host),
      ...hostConfigOf(host),
    },
    GraphDriver: { Name: options.driver, Data: null },
    ...(options.sizes === undefined
      ? {}
      : { SizeRw: options.sizes.writable, SizeRootFs: options.sizes.rootfs }),
    Mounts: mountsOf(container, options.root),
    Config: configOf(container),
    NetworkSettings: options.network.settings,
  };
}

function hostConfigOf(host: ContainerRecord["host"]) {
  return {
    Binds: host.binds.length === 0 ? null : host.binds,
    NetworkMode: host.networkMode,
    PortBindings: viewPortBindings(host.ports ?? []),
    PublishAllPorts: host.publishAllPorts ?? false,
    ...(host.publishAddress === undefined ? {} : { PublishAddress: host.publishAddress }),
    Links: linksOf(host),
    AutoRemove: host.autoRemove,
    ReadonlyRootfs: host.readOnlyRootfs,
    ConsoleSize: [host.consoleSize?.rows ?? 0, host.consoleSize?.columns ?? 0],
    Privileged: host.privileged,
    CapAdd: host.capAdd.length === 0 ? null : host.capAdd,
    CapDrop: host.capDrop.length === 0 ? null : host.capDrop,
    SecurityOpt: host.securityOpt.length === 0 ? null : host.securityOpt,
    ...dockerLimits(host.resources, host.restart),
    ...viewHostSettings(host.settings),
  };
}

/** What clients read without asking whether it is there. */
const USUAL_HOST_CONFIG = {
  ContainerIDFile: "",
  VolumeDriver: "",
  Cgroup: "",
  Isolation: "",
  CgroupnsMode: "private",
} as const;

/** Links of the network of its mode, which clients of old gave here. */
function linksOf({ networkMode, networks = [] }: ContainerRecord["host"]): readonly string[] | null {
  return networks.find(({ network }) => network === networkMode)?.links ?? null;
}

function configOf(container: ContainerRecord): DockerContainerConfig {
  const { process, config, id } = container;
  return {
    Hostname: process.hostname === "" ? id.slice(0, 12) : process.hostname,
    Domainname: process.domainname ?? "",
    AttachStdin: process.stdinOnce,
    AttachStdout: true,
    AttachStderr: true,
    Tty: process.tty,
    OpenStdin: process.openStdin,
    StdinOnce: process.stdinOnce,
    Image: container.imageName,
    ...dockerImageConfig(config),
    Labels: config.Labels ?? {},
  };
}

function mountsOf(container: ContainerRecord, root: string): DockerMountPoint[] {
  const { tmpfs = {} } = container.host.settings ?? {};
  const shown = (container.mounts ?? []).filter(({ kind, target }) => kind !== "tmpfs" || !(target in tmpfs));
  return shown.map(({ kind, source, target, readOnly, propagation, mode }) => ({
    Type: kind,
    ...(kind === "volume"
      ? { Name: source, Source: `${root}/volumes/${source}/_data`, Driver: "local" }
      : { Source: source }),
    Destination: target,
    Mode: mode ?? (readOnly ? "ro" : ""),
    RW: !readOnly,
    Propagation: kind === "bind" ? propagation : "",
  }));
}

const CHANGE_KIND = { modified: 0, added: 1, deleted: 2 } as const;

export function dockerChange(change: FilesystemChange): DockerChange {
  return { Path: change.path, Kind: CHANGE_KIND[change.kind] };
}
