import type { AuthConfig, PlyBuildMessage, PlyBuildRequest, PlyLayerForm } from "../../wire/index.ts";
import type { FileContents } from "../archive.ts";

/** What an engine is told of a Dockerfile as the program says it. */
export const DOCKERFILE_FIELDS = ["buildArgs", "target", "platforms", "firstBase"] as const;

/** What it is told of a build as the program says it. */
export const BUILD_FIELDS = [
  ...DOCKERFILE_FIELDS,
  "labels",
  "noCache",
  "noCacheStages",
  "pull",
  "network",
  "hostConfig",
  "ssh",
  "timestamp",
  "explain",
  "verify",
  "squash",
  "annotations",
  "provenance",
  "allow",
  "allStages",
  "env",
  "unsetEnv",
  "unsetLabels",
  "omitHistory",
] as const;

/** A Dockerfile and what it sees. */
export interface DockerfileOptions extends Pick<PlyBuildRequest, (typeof DOCKERFILE_FIELDS)[number]> {
  /**
   * A directory of this host, an address that the engine fetches (`https://host/repo.git#branch:folder`, an archive), a
   * tar, plain or compressed, or the files themselves. Absent: there are no files.
   */
  readonly context?: string | AsyncIterable<Uint8Array> | FileContents;
  /** Where it is in the context, or its text; absent: `Dockerfile`, `dockerfile` or `Containerfile`. */
  readonly dockerfile?: string | { readonly text: string };
  /** By name: a directory, an address, `docker-image://NAME`, `oci-layout://DIR[:TAG]`, or the files themselves. */
  readonly contexts?: Readonly<Record<string, string | FileContents>>;
  readonly signal?: AbortSignal;
}

export interface BuildOptions
  extends DockerfileOptions,
    Pick<PlyBuildRequest, (typeof BUILD_FIELDS)[number]> {
  /** Names of the image. */
  readonly tags?: readonly string[];
  /** For `RUN --mount=type=secret`, by id. */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  readonly cacheFrom?: readonly BuildCachePlace[];
  readonly cacheTo?: readonly BuildCacheTarget[];
  /** What becomes of the result; absent: an image of the engine's list. None: only the cache is filled. */
  readonly outputs?: readonly BuildOutput[];
  /** By registry host; `docker.io` for Docker Hub. */
  readonly credentials?: Readonly<Record<string, AuthConfig>>;
  /** Each step as it begins and ends, with all that it prints; warnings; what is pulled and pushed. */
  readonly onProgress?: (message: PlyBuildMessage) => void;
}

/** An image in a registry, or a directory of the engine's host. */
export type BuildCachePlace =
  | { readonly ref: string }
  | {
      readonly directory: string;
      /** Which of the caches in it; absent: `latest`. */
      readonly tag?: string;
    };

export type BuildCacheTarget =
  /** Into the image itself. */
  | "inline"
  | (BuildCachePlace & {
      /** min: the steps of the image (so when absent); max: of all stages. */
      readonly mode?: "min" | "max";
      readonly compression?: "gzip" | "zstd";
      readonly forceCompression?: boolean;
      /** The build is a success even if this fails. */
      readonly ignoreError?: boolean;
    });

export type BuildOutput =
  | {
      readonly type: "image";
      /** Absent: the build's `tags`. */
      readonly names?: readonly string[];
      /** Into the engine's list of images; so unless it is said otherwise. */
      readonly store?: boolean;
      /** Under its names, or without any. */
      readonly push?: boolean | "digest";
      readonly form?: PlyLayerForm;
    }
  /** An archive for `load`, or, with a directory, an OCI layout to which it is added. */
  | {
      readonly type: "oci";
      readonly to: FileDestination | { readonly directory: string };
      readonly names?: readonly string[];
      /** Absent: gzip. */
      readonly form?: PlyLayerForm;
    }
  | {
      readonly type: "docker";
      readonly to: FileDestination;
      readonly names?: readonly string[];
      readonly form?: PlyLayerForm;
    }
  /** The files: a tar, or written into a directory, as this user's own, without devices. */
  | {
      readonly type: "files";
      readonly to: FileDestination | { readonly directory: string };
      /** In a directory for each platform; so when there are several. */
      readonly splitPlatforms?: boolean;
    };

/** A file, which appears when it is whole, or what reads the bytes; what it leaves unread is passed over. */
export type FileDestination =
  | { readonly file: string }
  | ((bytes: AsyncIterable<Uint8Array>) => void | Promise<void>);
