import { PlyError } from "../error.ts";
import {
  type AuthConfig,
  answeredError,
  type DockerImageDelete,
  type DockerImageInspect,
  type DockerImageSummary,
  encodeAuthHeader,
  type PlyBuildAnswer,
  type PlyLoadMessage,
  type PlyProgress,
  type PlyPullMessage,
  type PlyPushMessage,
  REGISTRY_CONFIG_HEADER,
} from "../wire/index.ts";
import { askEngine, type Build, buildImage } from "./build/build.ts";
import type { BuildOptions, DockerfileOptions } from "./build/options.ts";
import type { Bytes, EngineHttp } from "./http.ts";

export interface TransferOptions {
  /** `linux/arm64`. */
  readonly platform?: string;
  /** By registry host; `docker.io` for Docker Hub. */
  readonly credentials?: Readonly<Record<string, AuthConfig>>;
  readonly onProgress?: (progress: PlyProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PulledImage {
  readonly name: string;
  readonly id: string;
  readonly digest: string;
  /** False: it was up to date. */
  readonly changed: boolean;
}

export type BuildAnswer<Type extends PlyBuildAnswer["type"]> = Extract<
  PlyBuildAnswer,
  { readonly type: Type }
>;

export interface Images {
  /** Throws the registry's refusal as a PlyError: "not-found", "denied", "unavailable". */
  pull(reference: string, options?: TransferOptions): Promise<PulledImage>;
  /** Pulls unless it is here. */
  ensure(reference: string, options?: TransferOptions): Promise<void>;
  push(reference: string, options?: TransferOptions): Promise<{ readonly digest: string }>;
  /** Throws a {@link BuildError} for a step that failed. */
  build(options: BuildOptions): Promise<Build>;
  /** What is doubtful about a Dockerfile; nothing is built, no file and no image is needed. */
  check(options: DockerfileOptions): Promise<BuildAnswer<"check">>;
  /** The arguments, secrets, SSH agents and cache mounts of the target. */
  outline(options: DockerfileOptions): Promise<BuildAnswer<"outline">>;
  targets(options: DockerfileOptions): Promise<BuildAnswer<"targets">>;
  inspect(name: string): Promise<DockerImageInspect>;
  list(options?: { readonly all?: boolean }): Promise<DockerImageSummary[]>;
  tag(source: string, name: string): Promise<void>;
  remove(name: string, options?: { readonly force?: boolean }): Promise<DockerImageDelete[]>;
  /** Names, or ids of images without one. */
  load(archive: Bytes, options?: Pick<TransferOptions, "onProgress" | "signal">): Promise<string[]>;
  save(names: readonly string[]): Promise<AsyncIterable<Uint8Array>>;
  /** An image of one layer out of a tar of a root file system; returns its id. */
  import(
    tar: Bytes,
    options: { readonly name: string; readonly changes?: readonly string[] },
  ): Promise<string>;
}

export function createImages(http: EngineHttp): Images {
  async function pull(reference: string, options: TransferOptions = {}): Promise<PulledImage> {
    const messages = await http.lines<PlyPullMessage>("POST", "/ply/images/pull", {
      json: { references: [reference], platform: options.platform },
      ...transfer(options),
    });
    let pulled: PulledImage | undefined;
    for await (const message of messages) {
      if (message.type === "progress") options.onProgress?.(message.progress);
      else if (message.type === "error") throw answeredError(0, message.error);
      else if (message.type === "pulled") pulled = message;
    }
    return told(pulled, `the pull of ${reference}`);
  }

  const inspect = (name: string): Promise<DockerImageInspect> =>
    http.json("GET", `/images/${encodeURIComponent(name)}/json`);

  return {
    pull,
    async ensure(reference, options) {
      try {
        await inspect(reference);
      } catch (error) {
        if (!(error instanceof PlyError) || error.kind !== "not-found") throw error;
        await pull(reference, options);
      }
    },
    async push(reference, options = {}) {
      const messages = await http.lines<PlyPushMessage>("POST", "/ply/images/push", {
        json: { reference, platform: options.platform },
        ...transfer(options),
      });
      let pushed: { readonly digest: string } | undefined;
      for await (const message of messages) {
        if (message.type === "progress") options.onProgress?.(message.progress);
        else if (message.type === "error") throw answeredError(0, message.error);
        else if (message.type === "pushed") pushed = { digest: message.digest };
      }
      return told(pushed, `the push of ${reference}`);
    },
    build: (options) => buildImage(http, options),
    check: (options) => askEngine(http, options, "check"),
    outline: (options) => askEngine(http, options, "outline"),
    targets: (options) => askEngine(http, options, "targets"),
    inspect,
    list: ({ all } = {}) => http.json("GET", "/images/json", { query: { all } }),
    async tag(source, name) {
      const colon = name.lastIndexOf(":");
      const hasTag = colon > name.lastIndexOf("/");
      const query = {
        repo: hasTag ? name.slice(0, colon) : name,
        tag: hasTag ? name.slice(colon + 1) : undefined,
      };
      await http.json("POST", `/images/${encodeURIComponent(source)}/tag`, { query });
    },
    remove: (name, { force } = {}) =>
      http.json("DELETE", `/images/${encodeURIComponent(name)}`, { query: { force } }),
    async load(body, options = {}) {
      const messages = await http.lines<PlyLoadMessage>("POST", "/ply/images/load", {
        body,
        signal: options.signal,
      });
      const loaded: string[] = [];
      for await (const message of messages) {
        if (message.type === "progress") options.onProgress?.(message.progress);
        else if (message.type === "error") throw answeredError(0, message.error);
        else if (message.type === "loaded") loaded.push(message.name ?? message.id);
      }
      return loaded;
    },
    save: (names) => http.bytes("GET", "/ply/images/save", { query: { names } }),
    async import(body, { name, changes }) {
      const lines = await http.lines<{ status?: string; errorDetail?: { message: string } }>(
        "POST",
        "/images/create",
        { query: { fromSrc: "-", repo: name, changes }, body },
      );
      let id: string | undefined;
      for await (const { status, errorDetail } of lines) {
        if (errorDetail !== undefined) throw answeredError(0, errorDetail);
        if (status?.startsWith("sha256:")) id = status;
      }
      return told(id, `the import of ${name}`);
    },
  };
}

function transfer({ credentials, signal }: TransferOptions) {
  return {
    signal,
    headers: credentials === undefined ? {} : { [REGISTRY_CONFIG_HEADER]: encodeAuthHeader(credentials) },
  };
}

/** A stream that ends before it said what came of it was cut. */
function told<T>(result: T | undefined, what: string): T {
  if (result === undefined) throw new PlyError("unavailable", `${what} broke off: the engine has gone`);
  return result;
}
