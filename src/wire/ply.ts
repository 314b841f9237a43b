import type { ErrorKind } from "../error.ts";
import type { ImageConfig, Platform } from "../oci/index.ts";
import type { DockerBuildCache } from "./docker-system.ts";

/**
 * ply's own routes, under `/ply/` (also behind a version prefix). Sizes are bytes, times milliseconds since 1970
 * unless they say RFC 3339. A stream is JSON lines; each ends with a `done` or an `error` message. Errors before
 * the stream starts are an HTTP status with {@link ErrorBody}.
 */

/** Every error body, Docker's routes included: Docker's clients read `message` and ignore the rest. */
export interface ErrorBody {
  readonly message: string;
  readonly kind?: ErrorKind;
  readonly hint?: string;
}

/** `GET /ply/info`: what this engine is. */
export interface PlyInfo {
  readonly id: string;
  readonly version: string;
  readonly pid: number;
  readonly root: string;
  readonly runRoot: string;
  readonly storageDriver: {
    readonly name: string;
    readonly description: string;
    /** How it came to be this one: "the best that works here", with what stood in the way of better ones. */
    readonly why?: string;
  };
  readonly runtime: { readonly name: string; readonly version: string };
  readonly conmonVersion: string;
  readonly startedAt: number;
  readonly warnings: readonly string[];
}

/** `GET /ply/doctor`: what the host can do, found by doing it. */
export interface PlyDoctorReport {
  /** Containers run here. */
  readonly ok: boolean;
  readonly checks: readonly PlyDoctorCheck[];
}

export interface PlyDoctorCheck {
  /** `rights`, `programs`, `kernel`, `cgroups`, `storage`, `security`, `network`, `container`, `engine`. */
  readonly area: string;
  readonly name: string;
  /** `limited`: containers run, with less. `broken`: they do not. */
  readonly state: "works" | "limited" | "broken";
  readonly found: string;
  /** What its lack costs. */
  readonly cost?: string;
  /** A command, or what to do. */
  readonly cure?: string;
}

export type PlyLayerStatus =
  | "Waiting"
  | "Downloading"
  | "Verifying"
  | "Ready"
  | "Already exists"
  | "Preparing"
  | "Pushing"
  | "Pushed"
  | "Layer already exists"
  | "Mounted"
  | "Loading";

/** What a pull, push or load says while it runs. `id` is a short layer id (12 hex digits of a digest). */
export type PlyProgress =
  | { readonly kind: "message"; readonly text: string; readonly id?: string }
  | {
      readonly kind: "layer";
      readonly id: string;
      readonly status: PlyLayerStatus;
      readonly current?: number;
      readonly total?: number;
      readonly detail?: string;
    }
  | {
      /** The whole, in compressed bytes. */
      readonly kind: "total";
      readonly bytesDone: number;
      readonly bytesTotal: number;
      readonly layersDone: number;
      readonly layersTotal: number;
      readonly bytesPerSecond: number;
      readonly secondsLeft?: number;
    };

/**
 * `POST /ply/images/pull`: several images in one request, pulled at the same time; one that fails does not stop
 * the others. Credentials: `X-Registry-Config`, by registry host (`docker.io` for Docker Hub).
 */
export interface PlyPullRequest {
  /** As users write them. */
  readonly references: readonly string[];
  /** `linux/arm64/v8`. */
  readonly platform?: string;
  readonly allTags?: boolean;
}

/** `reference` is the request's own string, so that several progresses can be told apart. */
export type PlyPullMessage =
  | { readonly type: "progress"; readonly reference: string; readonly progress: PlyProgress }
  | {
      readonly type: "pulled";
      readonly reference: string;
      /** Familiar `name:tag`; one message per tag with allTags. */
      readonly name: string;
      readonly id: string;
      readonly digest: string;
      /** False: it was up to date. */
      readonly changed: boolean;
    }
  | { readonly type: "error"; readonly reference: string; readonly error: ErrorBody }
  | { readonly type: "done" };

/** `POST /ply/images/push`; credentials as for pull. */
export interface PlyPushRequest {
  readonly reference: string;
  readonly allTags?: boolean;
  readonly platform?: string;
}

export type PlyPushMessage =
  | { readonly type: "progress"; readonly progress: PlyProgress }
  | { readonly type: "pushed"; readonly tag: string; readonly digest: string; readonly size: number }
  | { readonly type: "error"; readonly error: ErrorBody }
  | { readonly type: "done" };

/** `POST /ply/images/load?platform=`: the archive is the body. */
export type PlyLoadMessage =
  | { readonly type: "progress"; readonly progress: PlyProgress }
  | { readonly type: "loaded"; readonly name?: string; readonly id: string }
  | { readonly type: "error"; readonly error: ErrorBody }
  | { readonly type: "done" };

/** `GET /ply/images/save?names=…&names=…&format=docker|oci&platform=`: the archive is the answer (application/x-tar). */
export interface PlySaveQuery {
  readonly names: readonly string[];
  readonly format?: "docker" | "oci";
  readonly platform?: string;
}

/** `GET /ply/images?all=&filters=` (Docker's filters, plus `built-until`, `arrived-until`, `used-until`): an array of these. */
export interface PlyImage {
  readonly id: string;
  /** Familiar `name:tag`. */
  readonly names: readonly string[];
  /** Familiar `name@digest`. */
  readonly repoDigests: readonly string[];
  readonly platform: Platform;
  readonly builtAt: number | null;
  readonly arrivedAt: number;
  readonly lastUsedAt: number | null;
  readonly lastTaggedAt: number | null;
  readonly sizes: PlySizes;
  readonly containers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface PlySizes {
  readonly total: number;
  /** Of layers that only this image has. */
  readonly unique: number;
  readonly shared: number;
  /** As it came from a registry; absent when it never did. */
  readonly compressed?: number;
}

/** `GET /ply/images/{name}/layers`: the layers of an image, bottom to top. */
export interface PlyImageLayers {
  readonly image: PlyImage;
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly diffId: string;
    readonly chainId: string;
    readonly size: number;
    /** Digests of the compressed forms seen. */
    readonly digests: readonly string[];
  }[];
}

/** `GET /ply/images/{name}/history`: every step, newest first; an array of these. */
export interface PlyHistoryRow {
  /** Image id, else chain id, else empty. */
  readonly id: string;
  readonly imageId?: string;
  /** RFC 3339. */
  readonly created?: string;
  readonly createdBy: string;
  readonly size: number;
  readonly comment: string;
  readonly tags: readonly string[];
  readonly diffId?: string;
  readonly digest?: string;
  readonly emptyLayer: boolean;
}

/** `GET /ply/images/{name}/files?path=`: the union of the layers at and below a path, sorted; an array of these. */
export interface PlyFile {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly linkTarget: string;
  /** Bottom is 0; null for a directory that no layer has an entry for. */
  readonly layer: number | null;
  readonly diffId: string | null;
}

/** `POST /ply/images/prune`. */
export interface PlyPruneRequest {
  /** True: all unused images, not only the dangling ones. */
  readonly all?: boolean;
  readonly unusedForMs?: number;
  /** Newest images to keep per repository. */
  readonly keep?: number;
  readonly maxSize?: number;
  readonly dryRun?: boolean;
  readonly filter?: {
    readonly dangling?: boolean;
    readonly labels?: readonly string[];
    readonly notLabels?: readonly string[];
    readonly references?: readonly string[];
    readonly before?: string;
    readonly since?: string;
    readonly until?: { readonly at: number; readonly clock: "built" | "arrived" | "used" };
  };
}

export interface PlyPruneResponse {
  readonly removed: readonly { readonly untagged?: string; readonly deleted?: string }[];
  readonly bytesReclaimed: number;
}

/** `POST /ply/system/check?repair=1`. */
export interface PlyCheckResponse {
  readonly problems: readonly {
    readonly kind: "orphan" | "missing" | "corrupt" | "dangling";
    readonly about: string;
    readonly message: string;
    readonly repaired: boolean;
  }[];
  readonly layersVerified: number;
  readonly blobsVerified: number;
  readonly bytesFreed: number;
}

/** `GET /ply/system/df`. */
export interface PlyDiskUsage {
  readonly layersSize: number;
  readonly images: readonly PlyImage[];
  readonly containers: readonly {
    readonly id: string;
    readonly name: string;
    readonly image: string;
    readonly status: string;
    readonly size: number;
  }[];
  readonly volumes: readonly {
    readonly name: string;
    readonly size: number;
    /** How many containers use it. */
    readonly users: number;
  }[];
  readonly buildCache: readonly DockerBuildCache[];
  /** Of containers; `size`: bytes that nothing else needs. Absent: there are none. */
  readonly snapshots?: { readonly count: number; readonly size: number };
}

/** `GET /ply/containers/{name}/phases`: milliseconds of each phase of the last start. */
export type PlyPhases = Readonly<Record<string, number>>;

/** `GET /ply/registry/tags?name=REPOSITORY`: credentials in `X-Registry-Auth`. */
export interface PlyTags {
  readonly name: string;
  readonly tags: readonly string[];
}

/** `GET /ply/registry/catalog?host=HOST`. */
export interface PlyCatalog {
  readonly host: string;
  readonly repositories: readonly string[];
}
