/** Where a build's cache is, outside of the engine's store. */
export type PlyCachePlace =
  /** An image, or a cache of its own. */
  | { readonly kind: "registry"; readonly ref: string }
  /** An OCI layout on the engine's host, used only if the engine finds the same directory there; "" for one that the client does not find. */
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly device: string;
      readonly inode: string;
      /** Which of the manifests in it. */
      readonly tag: string;
    };

/** Where a build's cache goes. */
export type PlyCacheTarget =
  /** Into the image itself. */
  | { readonly kind: "inline" }
  | (PlyCachePlace & {
      /** min: the steps of the image; max: of all stages. */
      readonly mode: "min" | "max";
      readonly compression?: "gzip" | "zstd";
      readonly forceCompression?: boolean;
      /** The build is a success even if this fails. */
      readonly ignoreError?: boolean;
    });
