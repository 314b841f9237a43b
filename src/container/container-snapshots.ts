import type { CaptureMethod, Strata } from "../overlay/index.ts";

/** A container's writable layer and its volumes as they were at a moment. */
export interface ContainerSnapshot {
  /** One of its container's own names for its snapshots. */
  readonly name: string;
  readonly containerId: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** How the writable layer was kept; volumes may differ. */
  readonly method: CaptureMethod;
  readonly volumes: readonly { readonly name: string; readonly method: CaptureMethod }[];
  /** How long it took; of a running container, how long that stood still. */
  readonly tookMs: number;
}

export interface ContainerSnapshots {
  /**
   * Keeps what the container has written, and its volumes. One that runs is frozen meanwhile. Throws "conflict" when the
   * name is taken, or when another container that runs has one of the volumes.
   */
  create(
    container: string,
    name?: string,
  ): Promise<{ readonly snapshot: ContainerSnapshot; readonly warnings: readonly string[] }>;
  /** Oldest first; of one container, or of all. */
  list(container?: string): ContainerSnapshot[];
  /** Throws not-found. */
  get(container: string, name: string): ContainerSnapshot;
  /** Bytes of the files that it keeps; what lives may share them. */
  sizeOf(container: string, name: string): Promise<number>;
  /** Bytes of files that only snapshots need. */
  bytesHeld(): Promise<number>;
  remove(container: string, name: string): Promise<void>;
  /**
   * Makes container and volumes what they were; the snapshot stays. Without a name: the newest. Throws "conflict" when it runs;
   * `force`: it is killed for it, and started again.
   */
  restore(
    container: string,
    options: { readonly name?: string; readonly force: boolean },
  ): Promise<ContainerSnapshot>;
}

/** All that is kept of one. Every state but "ready" says what a crash has left to do. */
export interface SnapshotDocument {
  readonly snapshot: ContainerSnapshot;
  readonly state: "making" | "ready" | "restoring" | "removing";
  /** In the container's directory. */
  readonly root: Strata;
  /** By volume, in the volume's. */
  readonly volumes: Readonly<Record<string, Strata>>;
  /** It ran before it was frozen for this. */
  readonly froze?: boolean;
}
