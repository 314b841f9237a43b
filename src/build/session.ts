import type {
  DiffId,
  Digest,
  HistoryEntry,
  ImageConfig,
  ImageId,
  Platform,
  ProcessConfig,
} from "../oci/index.ts";
import type { Lease } from "../store/index.ts";
import type { BuildEvent, BuildOptions } from "./build.ts";
import type { BuildCache } from "./cache/cache.ts";
import type { Definition } from "./cache/definition.ts";
import type { BuildTrace, StageTrace } from "./cache/trace.ts";
import type { Material } from "./context/file-tree.ts";
import type { BuildGraph, PlannedStage } from "./graph.ts";
import type { KnownLayer, LayerSupply } from "./layer-supply.ts";
import type { BuilderParts } from "./parts.ts";
import type { CacheImports } from "./remote-cache/import.ts";
import type { CacheRecord } from "./remote-cache/records.ts";
import type { Sources } from "./sources.ts";
import type { StageRoot } from "./stage-root.ts";
import type { BuildArgs, Variables } from "./variables.ts";

/** An image that a build stands on or copies from; its layers need not be here. */
export interface BaseImage {
  readonly id: ImageId;
  readonly config: ImageConfig;
  /** Of what its name stands for at its registry, where that was asked for now. */
  readonly digest?: Digest;
}

/** One build under way. */
export interface Session {
  readonly parts: BuilderParts;
  readonly options: BuildOptions;
  /** What is built for; undefined: nobody said. */
  readonly platform: Platform | undefined;
  readonly cache: BuildCache;
  readonly imports: CacheImports;
  readonly supply: LayerSupply;
  /** Writes down what came from caches elsewhere; done when the build ends. */
  readonly imported: (() => void)[];
  /** Images that are at their registries alone, by name and platform. */
  readonly remoteBases: Map<string, Promise<BaseImage>>;
  readonly trace: BuildTrace;
  readonly args: BuildArgs;
  readonly graph: BuildGraph;
  /** Keeps all that the build makes until its image does. */
  readonly lease: Lease;
  readonly sources: Sources;
  /** Aborted when the client is gone or another stage failed. */
  readonly signal: AbortSignal;
  /** When the build began, seconds since 1970. */
  readonly now: number;
  /** Place of each stage's first step in the count of all. */
  readonly firstStep: ReadonlyMap<number, number>;
  readonly total: number;
  readonly stageOf: (index: number) => Promise<StageResult>;
  /** What was taken from images, by the names that they were asked for under. */
  readonly usedImages: Map<string, BaseImage>;
  /** What was added or taken from addresses, by these. */
  readonly materials: Map<string, Material>;
  readonly emit: (event: BuildEvent) => void;
}

/** A stage that is built. */
export interface StageResult {
  readonly planned: PlannedStage;
  readonly diffIds: readonly DiffId[];
  readonly config: ProcessConfig;
  /** Arguments as they were at its end: a stage on this one begins with them. */
  readonly args: readonly (readonly [name: string, value: string])[];
  readonly author: string | undefined;
  readonly history: readonly HistoryEntry[];
  /** What its steps made, those of stages it stands on included. */
  readonly records: readonly CacheRecord[];
  /** Names what was done to come here. */
  readonly historyKey: string;
  readonly platform: Platform;
  /** The image it stands on, for containers that run over it. */
  readonly base: { readonly imageId: ImageId; readonly imageName: string };
  readonly baseDiffIds: readonly DiffId[];
}

/** A stage under way: what its instructions work on. */
export interface StageWork {
  readonly session: Session;
  readonly planned: PlannedStage;
  readonly root: StageRoot;
  readonly variables: Variables;
  readonly platform: Platform;
  readonly base: StageResult["base"];
  readonly trace: StageTrace;
  config: ProcessConfig;
}

/** What a step came to. */
export interface StepOutcome {
  readonly createdBy: string;
  /** Absent: a step that has no layer by its nature. */
  readonly layer?: Promise<KnownLayer | undefined>;
  /** What tells the step's result from others. */
  readonly key: string;
  /** By which its layer is found again. */
  readonly cacheKey?: string;
  /** By which that key is found without any layer. */
  readonly definition?: Promise<Definition>;
  readonly isCached: boolean;
  readonly author?: string;
}
