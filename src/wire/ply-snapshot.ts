/** What `GET /ply/snapshots` and the routes below `/ply/containers/{name}/snapshots` tell of a container's snapshot. */
export interface PlySnapshot {
  readonly name: string;
  readonly container: { readonly id: string; readonly name: string };
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  /** How the writable layer was kept: blocks shared by the filesystem, laid below a new layer, or copied. */
  readonly method: "shared" | "stacked" | "copied";
  readonly volumes: readonly { readonly name: string; readonly method: PlySnapshot["method"] }[];
  /** Milliseconds; of a running container: how long that stood still. */
  readonly tookMs: number;
  /** Bytes of the files it keeps, which the container and other snapshots may share. */
  readonly size: number;
}

/** Answer to `POST /ply/containers/{name}/snapshots`. */
export interface PlySnapshotCreated {
  readonly snapshot: PlySnapshot;
  readonly warnings: readonly string[];
}
