import type { BuildStep, HostMount } from "../build.ts";
import type { StepInput } from "../cache/cache.ts";
import type { StageWork } from "../session.ts";
import type { HeldCache } from "./cache-mounts.ts";

/** One mount as a step wants it. */
export interface MountPlan {
  /** What the step's result depends on. */
  readonly inputs: readonly StepInput[] | LayerInputs;
  open(places: Places): Promise<OpenMount> | OpenMount;
}

/** Of a mount of files in layers. */
export interface LayerInputs {
  /** Told by the names of the layers. */
  readonly defined: readonly StepInput[];
  /** By the files, for which the layers are brought in. Throws "not-found". */
  read(): Promise<readonly StepInput[]>;
}

export interface OpenMount {
  readonly mount?: HostMount;
  readonly env?: readonly (readonly [string, string])[];
}

/** Everything that must be taken away again. */
export interface Places {
  readonly stack: AsyncDisposableStack;
  /** Directories that are kept, by what they are: a step that asks for one twice has it once, and does not wait for itself. */
  readonly caches: Map<string, HeldCache>;
  /** A new path of ours for one file or directory. */
  fresh(kind: "spool" | "secrets"): string;
}

/** What a mount is planned with. */
export interface MountContext {
  readonly work: StageWork;
  readonly step: BuildStep;
  /** Its place among the mounts of the step. */
  readonly n: number;
  /** Absolute. */
  readonly target: string;
}
