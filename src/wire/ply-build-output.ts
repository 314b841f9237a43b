/** What is to become of what is built; by default an image of the engine's list under the request's names. */
export type PlyBuildOutput =
  | {
      readonly kind: "image";
      /** Absent: the request's. */
      readonly names?: readonly string[];
      /** Into the engine's list of images. */
      readonly isStored: boolean;
      readonly push?: "name" | "digest";
      readonly form?: PlyLayerForm;
    }
  | {
      readonly kind: "archive";
      readonly format: "docker" | "oci";
      readonly names?: readonly string[];
      readonly form?: PlyLayerForm;
    }
  /** A tar of the files; `isSplit`: in a directory for each platform. */
  | { readonly kind: "files"; readonly isSplit: boolean };

export interface PlyLayerForm {
  readonly compression: "none" | "gzip" | "zstd";
  readonly level?: number;
  readonly force?: boolean;
}

export interface PlyBuildAnnotation {
  readonly place: "manifest" | "index" | "manifest-descriptor" | "index-descriptor";
  readonly platform?: string;
  readonly key: string;
  readonly value: string;
}
