import type { LayerForm } from "../../image/index.ts";
import type { Platform, Reference } from "../../oci/index.ts";

/** What becomes of what is built. */
export type BuildOutput =
  | {
      readonly kind: "image";
      readonly names: readonly Reference[];
      /** Into the list of images. */
      readonly isStored: boolean;
      /** To the registries of its names, under the names or known by its digest alone. */
      readonly push?: "name" | "digest";
      readonly form?: LayerForm;
    }
  | {
      readonly kind: "archive";
      readonly names: readonly Reference[];
      readonly format: "docker" | "oci";
      readonly form?: LayerForm;
    }
  /** The files of its root as a tar. `isSplit`: each platform's in a directory of its own. */
  | { readonly kind: "files"; readonly isSplit: boolean };

/** What an annotation stands on (OCI image-spec, annotations.md). */
export type AnnotationPlace = "manifest" | "index" | "manifest-descriptor" | "index-descriptor";

export interface BuildAnnotation {
  readonly place: AnnotationPlace;
  /** Only on what is for this platform. */
  readonly platform?: Platform;
  readonly key: string;
  readonly value: string;
}

/** What `--squash` makes one layer of: those of this build, or all. */
export type Squash = "own" | "all";

/** What is said of how an image came to be. `min`: what was built of what; `max`: the values of build arguments too. */
export type Provenance = "min" | "max";
