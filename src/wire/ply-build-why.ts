/** Why a step of a build was not cached: on its message, where the request says `explain`. */
export type PlyBuildWhy =
  /** `--no-cache`. */
  | { readonly kind: "no-cache" }
  /** No earlier build had this step. */
  | { readonly kind: "new" }
  /** It was built of exactly the same, but what it made was pruned. */
  | { readonly kind: "pruned" }
  /** The first ten that differ from the nearest earlier build, what a user would name first in front; `total`: how many do. */
  | { readonly kind: "changed"; readonly differences: readonly PlyBuildDifference[]; readonly total: number };

export interface PlyBuildDifference {
  /**
   * `base`: the image or stage below; `step`: what a step before it made; `file`: something that is copied or mounted;
   * `setting`: of all steps.
   */
  readonly kind:
    | "base"
    | "step"
    | "instruction"
    | "script"
    | "argument"
    | "environment"
    | "user"
    | "directory"
    | "network"
    | "security"
    | "mount"
    | "timestamp"
    | "setting"
    | "file";
  /** The path, the variable, the step, the image. */
  readonly name: string;
  /** Absent: it was not there before, or is there no more. Of a file's content the beginning of its digest. */
  readonly before?: string;
  readonly after?: string;
  /** Of a file: what of it. */
  readonly change?: "added" | "removed" | "type" | "content" | "mode" | "owner" | "target" | "attributes";
}
