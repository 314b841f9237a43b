import type { DockerHostConfig } from "./docker-container.ts";
import type { ErrorBody, PlyProgress } from "./ply.ts";
import type { PlyCachePlace, PlyCacheTarget } from "./ply-build-cache.ts";
import type { PlyBuildAnswer, PlyBuildLines, PlyBuildRule } from "./ply-build-call.ts";
import type { PlyBuildAnnotation, PlyBuildOutput } from "./ply-build-output.ts";
import type { PlyBuildWhy } from "./ply-build-why.ts";

/**
 * `POST /ply/build`: the body is this as one line of JSON, then, where something is "sent", a tar archive with
 * `context/…` and `contexts/NAME/…`, or one that is the context itself. The answer is lines of {@link PlyBuildMessage};
 * a `content` line is followed by as many bytes as it says.
 */
export interface PlyBuildRequest {
  readonly context: PlyBuildContext;
  /** The text, or where it is in the context. */
  readonly dockerfile: { readonly text: string; readonly name: string } | { readonly path: string };
  /** `--build-context`. */
  readonly contexts?: Readonly<
    Record<string, PlyBuildContext | { readonly kind: "image"; readonly name: string }>
  >;
  /** Contexts that are OCI layouts: the tag or digest of the image that is meant; "" for `latest` or the only one. */
  readonly layouts?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** In place of the first `FROM`'s image. */
  readonly firstBase?: string;
  /** Stages that the target does not need are built too. */
  readonly allStages?: boolean;
  /** `NAME=value`: every stage that begins with an image begins with these `ENV`s. */
  readonly env?: readonly string[];
  /** Names that the image's environment, and its labels, shall not have. */
  readonly unsetEnv?: readonly string[];
  readonly unsetLabels?: readonly string[];
  readonly omitHistory?: boolean;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly names?: readonly string[];
  /** What to build for: one image each. */
  readonly platforms?: readonly string[];
  readonly noCache?: boolean;
  readonly cacheFrom?: readonly PlyCachePlace[];
  readonly cacheTo?: readonly PlyCacheTarget[];
  /** Stages of which no step is taken from the cache. */
  readonly noCacheStages?: readonly string[];
  readonly pull?: boolean | "never";
  readonly network?: string;
  /** For the containers of all steps, as when a container is created; what no step can have is passed over. */
  readonly hostConfig?: DockerHostConfig;
  /** Values by id, base64. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Sockets of agents by id: paths on the engine's host. */
  readonly ssh?: Readonly<Record<string, string>>;
  /** Every time in the image, seconds since 1970. */
  readonly timestamp?: number;
  /** Say of each step that runs why. */
  readonly explain?: boolean;
  /** Make every step twice, without the cache, and fail where the layers differ. */
  readonly verify?: boolean;
  /** Where the context is, to people: earlier builds of the same are what this one is compared with. */
  readonly project?: string;
  /** Rules of the `.dockerignore` of the main context: what they leave out is explained. */
  readonly ignore?: string;
  /** Answer this about the Dockerfile with one line, a {@link PlyBuildAnswer}; build nothing. */
  readonly call?: "check" | "outline" | "targets";
  /** What becomes of the result; absent: an image under `names`. */
  readonly outputs?: readonly PlyBuildOutput[];
  /** Make one layer of this build's, or of all. */
  readonly squash?: "own" | "all";
  readonly annotations?: readonly PlyBuildAnnotation[];
  /** Say how it came to be, beside what is archived or pushed. */
  readonly provenance?: "min" | "max";
  /** `network.host`, `security.insecure`, `device`, `device=NAME`. */
  readonly allow?: readonly string[];
}

export type PlyBuildContext =
  /** It comes in the archive. */
  | { readonly kind: "sent" }
  /** It is the archive. */
  | { readonly kind: "archive" }
  | { readonly kind: "none" }
  | { readonly kind: "address"; readonly address: string }
  /**
   * The engine reads it itself; refused (409) unless it finds the same directory there. `ignore`: rules of a
   * `.dockerignore`.
   */
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly device: string;
      readonly inode: string;
      readonly ignore?: string;
    };

export interface PlyBuildStep {
  /** Counts from 1 in the order in which steps begin. */
  readonly number: number;
  /** Of all stages that are built, without triggers of their images. */
  readonly total: number;
  readonly stage: number;
  /** Absent: it is the only one, and has none. */
  readonly stageName?: string;
  /** Within its stage, from 1; a trigger of its image has that of the FROM. */
  readonly place: { readonly number: number; readonly total: number };
  readonly isTrigger?: boolean;
  readonly text: string;
  readonly line: number;
}

export type PlyBuildMessage =
  | { readonly type: "step"; readonly step: PlyBuildStep; readonly state: "running" }
  | { readonly type: "step"; readonly step: PlyBuildStep; readonly state: "cancelled" }
  | {
      readonly type: "step";
      readonly step: PlyBuildStep;
      readonly state: "done" | "cached";
      readonly ms: number;
      readonly why?: PlyBuildWhy;
    }
  | {
      readonly type: "step";
      readonly step: PlyBuildStep;
      readonly state: "failed";
      readonly message: string;
      readonly why?: PlyBuildWhy;
    }
  | {
      readonly type: "output";
      readonly number: number;
      readonly stream: "stdout" | "stderr";
      readonly text: string;
    }
  | { readonly type: "pull"; readonly number: number; readonly progress: PlyProgress }
  | ({ readonly type: "warning"; readonly message: string } & Partial<PlyBuildLines & PlyBuildRule>)
  | PlyBuildAnswer
  | { readonly type: "push"; readonly progress: PlyProgress }
  /** Bytes of an output follow; 0: it is whole. */
  | { readonly type: "content"; readonly output: number; readonly bytes: number }
  | {
      readonly type: "built";
      /** Of the first platform's image, be it kept or not. */
      readonly id: string;
      readonly names: readonly string[];
      /** It is in the engine's list of images. */
      readonly isStored: boolean;
      /** Of the manifest or index that an archive has, or that was pushed. */
      readonly descriptor?: {
        readonly mediaType: string;
        readonly digest: string;
        readonly size: number;
        readonly annotations?: Readonly<Record<string, string>>;
      };
    }
  | {
      readonly type: "error";
      readonly error: ErrorBody;
      /** Of the Dockerfile. */
      readonly line?: number;
      readonly endLine?: number;
      /** Of the command of a RUN. */
      readonly exitCode?: number;
      /** Where the client does not have it: it came with the context. */
      readonly dockerfile?: { readonly name: string; readonly text: string };
    };
