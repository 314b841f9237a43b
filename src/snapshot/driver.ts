import type { TreeNode } from "../layer/index.ts";
import type { IdMap } from "../linux/index.ts";
import type { ChainId } from "../oci/index.ts";
import type { Strata } from "../overlay/index.ts";
import type { LayerStack, StackLayer } from "../store/index.ts";

/** A container's root filesystem, mounted. All paths absolute. */
export interface Rootfs {
  readonly path: string;
  /** The writable layer, in overlayfs form (char 0:0 whiteouts, opaque xattrs). */
  readonly upper: string;
}

export interface PrepareOptions {
  /**
   * The writable layer goes with the container (`run --rm`): nothing waits for the disk, neither fsync within
   * nor the unmount, which else writes out all that is dirty on the filesystem.
   */
  readonly isEphemeral?: boolean;
  /** What the writable layer consists of, as names in `dir`; absent: `upper` alone. */
  readonly strata?: Strata | undefined;
  /**
   * Whom the container's users are for the host: files are theirs in the mount, and as ever on disk. Throws
   * "unsupported" where the host cannot mount so.
   */
  readonly idMap?: IdMap | undefined;
}

/** A read-only view of an image; the same mount may serve many. */
export interface View extends AsyncDisposable {
  readonly path: string;
}

/**
 * How stacks of layers become root filesystems. Lifecycle of a stack: `materialize` (idempotent, safe to
 * call at once from several places) → `view`/`prepare` any number of times → `remove` when nothing uses it.
 * Lifecycle of a snapshot: `prepare` (mounted) ⇄ `release` (unmounted, upper kept) → `discard` (gone).
 * Everything survives `kill -9`: `recover` at engine start finds what is mounted and drops what is half made.
 */
export interface SnapshotDriver extends AsyncDisposable {
  readonly name: string;
  /** Why this driver and in which mode: "file-backed EROFS mounts", "loop devices (ENOTBLK)". For `ply info`. */
  readonly description: string;
  /** Writes what the first mount needs: `chains/<hex>`. A pure function of the layers. */
  materialize(stack: LayerStack, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Takes what `materialize` wrote away. "conflict" while mounted. */
  remove(chainId: ChainId): Promise<void>;
  /** The image's tree, read-only; dispose to release. */
  view(stack: LayerStack): Promise<View>;
  /** A tree whose files' bytes lie in the file `data` (its size a multiple of 512), read-only; `place`, which is made, holds it. Absent: the driver cannot. */
  viewTree?(
    tree: TreeNode,
    data: { readonly path: string; readonly size: number },
    place: string,
  ): Promise<View>;
  /** A writable root over the stack (null: over nothing). Upper and work live in `dir` (the container's directory). */
  prepare(dir: string, stack: LayerStack | null, options?: PrepareOptions): Promise<Rootfs>;
  /** Unmounts; the upper stays. Idempotent. */
  release(dir: string): Promise<void>;
  /** Unmounts and deletes upper and work. Idempotent. */
  discard(dir: string): Promise<void>;
  /** The uncompressed tar of a layer from `offset` (default 0) on, bit for bit (without padding). */
  openTar(layer: StackLayer, offset?: number): AsyncIterable<Uint8Array>;
  /** After an engine start: mounts of containers that still run are adopted, all else is unmounted. */
  recover(liveDirs: ReadonlySet<string>): Promise<void>;
  /** Files and directories of ours that belong to none of these stacks, absolute paths. */
  orphans(known: ReadonlySet<ChainId>): Promise<string[]>;
}
