import type { IgnoreFile, LintWarning, SourceRange } from "../dockerfile/index.ts";
import type { OnProgress } from "../image/index.ts";
import type { Descriptor, ImageId, Platform, ProcessConfig, Reference } from "../oci/index.ts";
import type { CredentialsOf } from "../registry/index.ts";
import type { Resources } from "../runtime/index.ts";
import type { LayerStack } from "../store/index.ts";
import type { Why } from "./cache/difference.ts";
import type { FileTree } from "./context/file-tree.ts";
import type { Times } from "./copy/layer-plan.ts";
import type { BuildAnnotation, BuildOutput, Provenance, Squash } from "./output/output.ts";
import type { Overrides } from "./overrides.ts";
import type { CacheSource, CacheTarget } from "./remote-cache/place.ts";

export interface BuildOptions extends Overrides {
  /** By which it can be cancelled. */
  readonly id?: string;
  /** The Dockerfile's text, and what errors call it. */
  readonly dockerfile: { readonly text: string; readonly name: string };
  /** What `COPY` and `ADD` see; null: nothing was sent. */
  readonly context: FileTree | null;
  /** `--build-context`: trees by name, or other names of images. */
  readonly contexts?: ReadonlyMap<string, FileTree | { readonly image: string }>;
  readonly target?: string;
  /** In place of the first `FROM`'s image. */
  readonly firstBase?: string;
  /** Stages that the target does not need are built too. */
  readonly allStages?: boolean;
  readonly buildArgs?: ReadonlyMap<string, string>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly references?: readonly Reference[];
  /** What to build for, each once; absent: this machine. */
  readonly platforms?: readonly Platform[];
  readonly noCache?: boolean;
  /** `--cache-from`: caches outside of the store to look steps up in. */
  readonly cacheFrom?: readonly CacheSource[];
  /** `--cache-to`: where to put what the steps made. */
  readonly cacheTo?: readonly CacheTarget[];
  /** `--cache-to type=inline`: the image carries its own cache. */
  readonly hasInlineCache?: boolean;
  /** Stages of which no step is taken from the cache, by name or number. */
  readonly noCacheStages?: readonly string[];
  /** Ask the registries for newer base images; "never": not even for those that are not here. */
  readonly pull?: boolean | "never";
  readonly times?: Times;
  /** What becomes of the result; absent: an image of the list, called as `references` say. */
  readonly outputs?: readonly BuildOutput[];
  /** Takes what an output is written as, at its own pace. */
  readonly take?: (output: number, content: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly squash?: Squash;
  readonly annotations?: readonly BuildAnnotation[];
  /** Say beside what is archived or pushed how it came to be. */
  readonly provenance?: Provenance;
  readonly secrets?: ReadonlyMap<string, Uint8Array>;
  /** Sockets of agents by id, paths of this host. */
  readonly ssh?: ReadonlyMap<string, string>;
  readonly run?: RunSettings;
  /** What the user is to know before anything begins. */
  readonly warnings?: readonly string[];
  /** Rules of the context's ignore file: what they leave out is explained. */
  readonly ignore?: IgnoreFile;
  /** Look the Dockerfile over and warn. */
  readonly checks?: boolean;
  readonly credentialsOf?: CredentialsOf;
  /** Say of each step that runs why. */
  readonly explain?: boolean;
  /** Make every step twice, and fail where the layers differ, before anything becomes of the result. */
  readonly verify?: boolean;
  /** Where the context is, to people: earlier builds of the same are what this one is compared with. */
  readonly project?: string;
  readonly onEvent?: (event: BuildEvent) => void;
  readonly signal?: AbortSignal;
}

/** What holds for the containers of all `RUN`s. */
export interface RunSettings {
  /** `--network`; "default" when absent. */
  readonly network?: string;
  /** Bytes, CPU shares and so on, as containers take them; a step's result does not depend on them. */
  readonly resources?: Partial<Resources>;
  /** Directories of this host, `/host:/in[:ro]`. What is in them nobody watches: it is no part of a step's key. */
  readonly binds?: readonly string[];
  /** `--cgroup-parent`: the cgroup that those of the steps are below; their results do not depend on it. */
  readonly cgroupParent?: string;
  readonly shmSize?: number;
  readonly extraHosts?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  readonly securityOpt?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly devices?: readonly {
    readonly pathOnHost: string;
    readonly pathInContainer: string;
    readonly access: string;
  }[];
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** `security.insecure` was allowed. */
  readonly allowInsecure?: boolean;
  readonly allowHostNetwork?: boolean;
  /** Devices that steps may have: names, kinds, classes, "*" for any. */
  readonly allowedDevices?: readonly string[];
}

/** A step of the build: an instruction of a stage. */
export interface BuildStep {
  /** Counts from 1 over all stages that are built; triggers of an image have that of their FROM. */
  readonly number: number;
  readonly total: number;
  /** Without a name of its own, and not alone, it is called `stage-0`. */
  readonly stage: { readonly index: number; readonly name: string | undefined };
  /** Within its stage, from 1, with the triggers of its image. */
  readonly place: { readonly number: number; readonly total: number };
  /** How many of those are triggers, which come right after the first; absent: none, or not known yet. */
  readonly triggers?: number;
  /** The instruction as written. */
  readonly text: string;
  readonly at: SourceRange;
}

export type BuildEvent =
  /** "done": its last step is. */
  | { readonly kind: "stage"; readonly index: number; readonly state: "begun" | "done" }
  /** "cancelled": because of another's failure, or of somebody's wish. */
  | { readonly kind: "step"; readonly step: BuildStep; readonly state: "cancelled" }
  | { readonly kind: "step"; readonly step: BuildStep; readonly state: "running" }
  | {
      readonly kind: "step";
      readonly step: BuildStep;
      readonly state: "done" | "cached";
      readonly ms: number;
      /** What the step comes to, as hex; an image's id for the first of a stage. */
      readonly id: string;
      /** Of a step that was not cached, where that was asked for. */
      readonly why?: Why;
    }
  | {
      readonly kind: "step";
      readonly step: BuildStep;
      readonly state: "failed";
      readonly message: string;
      readonly why?: Why;
    }
  | {
      readonly kind: "container";
      readonly step: BuildStep;
      readonly id: string;
      readonly state: "running" | "removed";
    }
  | {
      readonly kind: "output";
      readonly step: BuildStep;
      readonly stream: "stdout" | "stderr";
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "pull"; readonly step: BuildStep; readonly progress: Parameters<OnProgress>[0] }
  | { readonly kind: "push"; readonly progress: Parameters<OnProgress>[0] }
  | {
      readonly kind: "warning";
      readonly message: string;
      readonly at?: SourceRange;
      /** Of a check. */
      readonly rule?: Pick<LintWarning, "rule" | "description" | "url">;
    };

export interface BuildResult {
  /** Of the first platform. */
  readonly imageId: ImageId;
  /** Familiar names it was given. */
  readonly names: readonly string[];
  /** It is in the list of images. */
  readonly isStored: boolean;
  /** Of the manifest or index that was written to an archive or pushed. */
  readonly descriptor?: Descriptor;
}

/** A command to run over layers. */
export interface RunRequest {
  readonly stack: LayerStack | null;
  readonly base: { readonly imageId: ImageId; readonly imageName: string };
  /** Environment, user and working directory as the process gets them. */
  readonly config: ProcessConfig;
  /** More variables (`NAME=value`), which are written down nowhere. */
  readonly secretEnv: readonly string[];
  readonly args: readonly string[];
  readonly hostname: string;
  readonly network: string;
  readonly isPrivileged: boolean;
  readonly mounts: readonly HostMount[];
  /** Names of devices that CDI specifications describe. */
  readonly cdiDevices: readonly string[];
  readonly settings: RunSettings;
  readonly signal?: AbortSignal;
  readonly onStart: (containerId: string) => void;
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
}

/** Something of this host, at a place in a step's root. */
export interface HostMount {
  readonly kind: "bind" | "tmpfs";
  /** Of a bind. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly sizeBytes?: number;
}

/** Runs a command over layers in a container; dispose the result to remove it. Throws when it cannot be started. */
export type RunCommand = (request: RunRequest) => Promise<
  AsyncDisposable & {
    readonly exitCode: number;
    /** The kernel killed something in it for want of memory. */
    readonly isOutOfMemory: boolean;
    /** The writable layer in overlayfs form. */
    readonly upper: string;
  }
>;
