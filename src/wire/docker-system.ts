import type { DockerContainerSummary } from "./docker-container.ts";
import type { DockerImageSummary } from "./docker-image.ts";

/** Docker Engine API bodies about the engine itself. */

/** `GET /version`. */
export interface DockerVersion {
  readonly Platform: { readonly Name: string };
  readonly Components: readonly {
    readonly Name: string;
    readonly Version: string;
    readonly Details?: Readonly<Record<string, string>>;
  }[];
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly GitCommit: string;
  readonly GoVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
  readonly Experimental?: boolean;
  readonly BuildTime?: string;
}

/** `GET /info`: the fields that clients read (the answer has more). */
export interface DockerInfo {
  readonly ID: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly DriverStatus: readonly (readonly [string, string])[];
  readonly DockerRootDir: string;
  readonly CgroupDriver: string;
  readonly CgroupVersion: string;
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSVersion: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly Name: string;
  readonly Labels: readonly string[];
  readonly ServerVersion: string;
  readonly Runtimes: Readonly<Record<string, { readonly path?: string }>>;
  readonly DefaultRuntime: string;
  readonly SecurityOptions: readonly string[];
  readonly IndexServerAddress: string;
  readonly LoggingDriver: string;
  readonly SystemTime: string;
  readonly HttpProxy: string;
  readonly HttpsProxy: string;
  readonly NoProxy: string;
  readonly Warnings: readonly string[] | null;
  readonly Swarm: { readonly LocalNodeState: string };
}

/** `POST /auth`; the body is an AuthConfig with `serveraddress`. */
export interface DockerAuthResponse {
  readonly Status: string;
  readonly IdentityToken: string;
}

/** One line of `GET /events?since=&until=&filters=`. */
export interface DockerEvent {
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: string;
  /** Seconds since 1970. */
  readonly time: number;
  /** As a number: exact to about 200 ns, as in every JSON reader without big integers. */
  readonly timeNano: number;
}

/** `GET /system/df?type=`. Bytes. */
export interface DockerDiskUsage {
  readonly LayersSize: number;
  readonly Images: readonly DockerImageSummary[] | null;
  readonly Containers: readonly DockerContainerSummary[] | null;
  readonly Volumes: readonly DockerVolume[] | null;
  readonly BuildCache: readonly DockerBuildCache[] | null;
}

/** What builds keep. Times are RFC 3339. */
export interface DockerBuildCache {
  readonly ID: string;
  /** Before API 1.42. */
  readonly Parent?: string;
  readonly Parents?: readonly string[];
  /** "regular": of a step; "exec.cachemount"; "source.git.checkout": the copy of a repository. */
  readonly Type: string;
  readonly Description: string;
  readonly InUse: boolean;
  /** Its bytes are something else's too: they stay when it goes. */
  readonly Shared: boolean;
  readonly Size: number;
  readonly CreatedAt: string;
  readonly LastUsedAt: string | null;
  readonly UsageCount: number;
}

export interface DockerVolume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly CreatedAt?: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Scope: string;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly UsageData?: { readonly Size: number; readonly RefCount: number };
}

/** `GET /volumes`. */
export interface DockerVolumeList {
  readonly Volumes: readonly DockerVolume[];
  readonly Warnings: readonly string[];
}

/** `POST /volumes/prune`. */
export interface DockerVolumePrune {
  readonly VolumesDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}

/** `POST /build/prune`. */
export interface DockerBuildPrune {
  readonly CachesDeleted: readonly string[] | null;
  readonly SpaceReclaimed: number;
}
