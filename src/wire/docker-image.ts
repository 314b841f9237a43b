/**
 * Docker Engine API bodies about images, as they are on the wire: Docker's field names. Only the fields that ply
 * sends or reads.
 */

/** Image settings (`Config`), in `inspect` and `commit`. */
export interface DockerImageConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly StopTimeout?: number;
  readonly Shell?: readonly string[] | null;
  readonly OnBuild?: readonly string[] | null;
  readonly Healthcheck?: object;
  readonly ArgsEscaped?: boolean;
}

/** One of `GET /images/json?all=&filters=&digests=&shared-size=`. Sizes in bytes; -1: not asked for. */
export interface DockerImageSummary {
  readonly Id: string;
  readonly ParentId: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Size: number;
  readonly SharedSize: number;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Containers: number;
}

/** `GET /images/{name}/json`. */
export interface DockerImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  /** RFC 3339. */
  readonly Created: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Config: DockerImageConfig;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly OsVersion?: string;
  readonly Size: number;
  readonly VirtualSize?: number;
  readonly GraphDriver: { readonly Name: string; readonly Data: Readonly<Record<string, string>> | null };
  readonly RootFS: { readonly Type: string; readonly Layers: readonly string[] };
  readonly Metadata: { readonly LastTagTime: string };
}

/** One of `GET /images/{name}/history`, newest first. */
export interface DockerHistoryItem {
  /** `<missing>` never: empty where no id is known. */
  readonly Id: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Tags: readonly string[] | null;
  readonly Size: number;
  readonly Comment: string;
}

/** One of `DELETE /images/{name}?force=&noprune=`. */
export interface DockerImageDelete {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

/** `POST /images/prune?filters=`. */
export interface DockerImagePrune {
  readonly ImagesDeleted: readonly DockerImageDelete[] | null;
  readonly SpaceReclaimed: number;
}

/** One of `GET /images/search?term=&limit=&filters=`. */
export interface DockerSearchResult {
  readonly name: string;
  readonly description: string;
  readonly is_official: boolean;
  readonly is_automated: boolean;
  readonly star_count: number;
}

/** `GET /distribution/{name}/json`. */
export interface DockerDistribution {
  readonly Descriptor: {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly Platforms: readonly {
    readonly architecture: string;
    readonly os: string;
    readonly variant?: string;
    readonly "os.version"?: string;
  }[];
}

/** One line of pull, push, load and import (`POST /images/create`, `/images/{name}/push`, `/images/load`). */
export interface DockerProgressLine {
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: {
    readonly current?: number;
    readonly total?: number;
    readonly hidecounts?: boolean;
  };
  readonly progress?: string;
  readonly stream?: string;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
  /** After a push: what was pushed. */
  readonly aux?: {
    readonly Tag?: string;
    readonly Digest?: string;
    readonly Size?: number;
    readonly ID?: string;
  };
}
