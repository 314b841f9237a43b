/** One of `GET /ply/cache`: a directory that `RUN --mount=type=cache` keeps between builds. */
export interface PlyCacheMount {
  /** What `id=` says, else the target. Several caches may have it: other owners, other beginnings, copies. */
  readonly id: string;
  /** Its own name. */
  readonly key: string;
  /** From 1; more where builds wanted one for themselves at the same time. */
  readonly copy: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Digest of the files that it began with. */
  readonly from?: string;
  /** Where steps had it. */
  readonly targets: readonly string[];
  /** The instruction that had it last. */
  readonly step: string;
  readonly sharing: "shared" | "private" | "locked";
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly lastUsed: string;
  readonly useCount: number;
  readonly inUse: boolean;
  /** Bytes of its files. */
  readonly size: number;
  readonly files: number;
}

/**
 * Answer to `DELETE /ply/cache?name=…` and `POST /ply/cache/prune`. `GET /ply/cache/export?name=…` (or `all=1`) answers
 * with a tar archive, which `POST /ply/cache/import?id=&merge=` takes, plain or compressed, and answers with the caches.
 */
export interface PlyCacheRemoved {
  readonly removed: readonly { readonly id: string; readonly key: string; readonly size: number }[];
}
