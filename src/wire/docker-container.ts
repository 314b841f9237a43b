import type { DockerImageConfig } from "./docker-image.ts";
import type {
  DockerEndpoint,
  DockerEndpointConfig,
  DockerNetworkSettings,
  DockerPort,
  DockerPortMap,
} from "./docker-network.ts";

/** Docker Engine API bodies about containers. */

/** `Config` of a container: the image's settings and what is only a container's. */
export interface DockerContainerConfig extends DockerImageConfig {
  readonly Hostname?: string;
  readonly Domainname?: string;
  readonly AttachStdin?: boolean;
  readonly AttachStdout?: boolean;
  readonly AttachStderr?: boolean;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly Image?: string;
  readonly NetworkDisabled?: boolean;
}

export interface DockerMount {
  readonly Type: string;
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: object;
  readonly VolumeOptions?: object;
  readonly TmpfsOptions?: object;
  readonly ImageOptions?: object;
}

export interface DockerRestartPolicy {
  readonly Name: string;
  readonly MaximumRetryCount: number;
}

/** The part of `HostConfig` that ply honours; the server warns about others that would matter. */
export interface DockerHostConfig {
  readonly Binds?: readonly string[] | null;
  readonly Mounts?: readonly DockerMount[] | null;
  readonly NetworkMode?: string;
  readonly PortBindings?: DockerPortMap;
  readonly PublishAllPorts?: boolean;
  /** ply's own: where `PublishAllPorts` publishes; absent or "": everywhere. */
  readonly PublishAddress?: string;
  /** `container:alias`, on the network of the mode. */
  readonly Links?: readonly string[] | null;
  readonly AutoRemove?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly Privileged?: boolean;
  readonly CapAdd?: readonly string[] | null;
  readonly CapDrop?: readonly string[] | null;
  readonly SecurityOpt?: readonly string[] | null;
  readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  /** Bytes. */
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly MemoryReservation?: number;
  /** Billionths of a processor. */
  readonly NanoCpus?: number;
  readonly CpuShares?: number;
  /** Microseconds. */
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly CpusetCpus?: string;
  readonly CpusetMems?: string;
  readonly PidsLimit?: number | null;
  readonly BlkioWeight?: number;
  readonly BlkioWeightDevice?: readonly (DockerDeviceLimit & { readonly Weight: number })[] | null;
  readonly BlkioDeviceReadBps?: readonly (DockerDeviceLimit & { readonly Rate: number })[] | null;
  readonly BlkioDeviceWriteBps?: readonly (DockerDeviceLimit & { readonly Rate: number })[] | null;
  readonly BlkioDeviceReadIOps?: readonly (DockerDeviceLimit & { readonly Rate: number })[] | null;
  readonly BlkioDeviceWriteIOps?: readonly (DockerDeviceLimit & { readonly Rate: number })[] | null;
  readonly CpuRealtimePeriod?: number;
  readonly CpuRealtimeRuntime?: number;
  /** -1 or null: as usual. */
  readonly MemorySwappiness?: number | null;
  readonly OomKillDisable?: boolean | null;
  readonly KernelMemory?: number;
  readonly DeviceRequests?: readonly DockerDeviceRequest[] | null;
  readonly Runtime?: string;
  readonly VolumeDriver?: string;
  readonly RestartPolicy?: DockerRestartPolicy;
  readonly Init?: boolean;
  readonly Ulimits?: readonly DockerUlimit[] | null;
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly Devices?: readonly DockerDevice[] | null;
  readonly DeviceCgroupRules?: readonly string[] | null;
  readonly GroupAdd?: readonly string[] | null;
  /** `name:address`. */
  readonly ExtraHosts?: readonly string[] | null;
  readonly Dns?: readonly string[] | null;
  readonly DnsSearch?: readonly string[] | null;
  readonly DnsOptions?: readonly string[] | null;
  /** Bytes. */
  readonly ShmSize?: number;
  readonly OomScoreAdj?: number;
  /** Options by place. */
  readonly Tmpfs?: Readonly<Record<string, string>>;
  readonly VolumesFrom?: readonly string[] | null;
  readonly IpcMode?: string;
  readonly PidMode?: string;
  readonly UTSMode?: string;
  readonly UsernsMode?: string;
  readonly CgroupnsMode?: string;
  readonly CgroupParent?: string;
  readonly Annotations?: Readonly<Record<string, string>>;
  readonly MaskedPaths?: readonly string[] | null;
  readonly ReadonlyPaths?: readonly string[] | null;
  /** ply's own: `none`, `stop`, `restart`. */
  readonly OnUnhealthy?: string;
}

export interface DockerDeviceLimit {
  readonly Path: string;
}

/** `--gpus`. */
export interface DockerDeviceRequest {
  readonly Driver: string;
  /** -1: all. */
  readonly Count: number;
  readonly DeviceIDs: readonly string[];
  /** Lists of which one has to be had whole. */
  readonly Capabilities: readonly (readonly string[])[];
  readonly Options: Readonly<Record<string, string>>;
}

export interface DockerUlimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

export interface DockerDevice {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

/** `POST /containers/create?name=&platform=`. */
export interface DockerCreateRequest extends DockerContainerConfig {
  readonly Image: string;
  readonly HostConfig?: DockerHostConfig;
  readonly NetworkingConfig?: {
    readonly EndpointsConfig?: Readonly<Record<string, DockerEndpointConfig | null>>;
  };
}

export interface DockerCreateResponse {
  readonly Id: string;
  readonly Warnings: readonly string[];
}

/** `POST /commit?container=&repo=&tag=&comment=&author=&changes=`, `POST /images/create?fromSrc=`. */
export interface DockerIdResponse {
  readonly Id: string;
}

/** One of `GET /containers/json?all=&limit=&size=&filters=`. */
export interface DockerContainerSummary {
  readonly Id: string;
  /** Each with a leading slash. */
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Ports: readonly DockerPort[];
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Labels: Readonly<Record<string, string>>;
  readonly State: string;
  /** "Up 3 minutes", "Exited (0) 2 hours ago". */
  readonly Status: string;
  readonly HostConfig: {
    readonly NetworkMode: string;
    readonly Annotations?: Readonly<Record<string, string>>;
  };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, DockerEndpoint>> };
  readonly Mounts: readonly DockerMountPoint[];
}

export interface DockerMountPoint {
  readonly Type: string;
  readonly Name?: string;
  readonly Source: string;
  readonly Destination: string;
  readonly Driver?: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

/** `State` of a container. */
export interface DockerContainerState {
  readonly Status: string;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  /** RFC 3339; year 1 when it never was. */
  readonly StartedAt: string;
  readonly FinishedAt: string;
  readonly Health?: DockerHealth;
}

/** What a container's health check found, the last results, oldest first. */
export interface DockerHealth {
  /** `starting`, `healthy`, `unhealthy`. */
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly {
    /** RFC 3339. */
    readonly Start: string;
    readonly End: string;
    readonly ExitCode: number;
    readonly Output: string;
  }[];
}

/** `GET /containers/{id}/json?size=`. */
export interface DockerContainerInspect {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: DockerContainerState;
  /** Image id. */
  readonly Image: string;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  readonly LogPath: string;
  /** With a leading slash. */
  readonly Name: string;
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly AppArmorProfile: string;
  readonly ExecIDs: readonly string[] | null;
  readonly HostConfig: DockerHostConfig;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly Mounts: readonly DockerMountPoint[];
  readonly Config: DockerContainerConfig;
  readonly NetworkSettings: DockerNetworkSettings;
}

/** `POST /containers/{id}/wait?condition=not-running|next-exit|removed`. */
export interface DockerWaitResponse {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string };
}

/** One of `GET /containers/{id}/changes`. 0: modified, 1: added, 2: deleted. */
export interface DockerChange {
  readonly Path: string;
  readonly Kind: 0 | 1 | 2;
}

/** `POST /containers/prune`. */
export interface DockerContainerPrune {
  readonly ContainersDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}
