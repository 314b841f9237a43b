import type { EventBus } from "../event/index.ts";
import type { Images } from "../image/index.ts";
import type { TreeNode } from "../layer/index.ts";
import type { Interpreter } from "../linux/index.ts";
import type { Platform } from "../oci/index.ts";
import type { LayerStack, Store } from "../store/index.ts";
import type { RunCommand } from "./build.ts";
import type { CachePolicy } from "./cache/cache-keeper.ts";
import type { Repositories } from "./context/repositories.ts";
import type { CacheMounts } from "./run/cache-mounts.ts";

/** What the builder works with; all stay the caller's. */
export interface BuilderParts {
  readonly store: Store;
  readonly images: Pick<
    Images,
    | "resolve"
    | "load"
    | "configOf"
    | "pull"
    | "peek"
    | "create"
    | "hold"
    | "archive"
    | "publish"
    | "readContent"
    | "putContent"
  >;
  /** A stack of layers as a directory, read-only. */
  readonly view: (stack: LayerStack) => Promise<AsyncDisposable & { readonly path: string }>;
  /**
   * A tree whose files' bytes lie in the file `data` (its size a multiple of 512), as a directory, read-only; `place` is for what it takes to do so. Absent:
   * this host cannot, it is written out.
   */
  readonly mountTree?: (
    tree: TreeNode,
    data: { readonly path: string; readonly size: number },
    place: string,
  ) => Promise<AsyncDisposable & { readonly path: string }>;
  readonly run: RunCommand;
  readonly cacheMounts: CacheMounts;
  /** Directory for what is fetched and unpacked: on the disk of the store, emptied when an engine starts. */
  readonly spool: string;
  /** Directory of what steps were made of. */
  readonly traces: string;
  /** What was fetched of git repositories. */
  readonly repositories: Repositories;
  /** Directory for secrets: in memory, where there is such a one. */
  readonly secrets: string;
  /** Who runs programs, by how they begin. */
  readonly emulation: {
    /** Undefined for what is no program of a processor. */
    isNative(head: Uint8Array): boolean | undefined;
    /** Asked anew each time: emulators come and go. */
    find(head: Uint8Array): Pick<Interpreter, "path" | "isOpened"> | undefined;
  };
  /** What of the cache goes by itself; undefined: nothing. */
  readonly policy: CachePolicy | undefined;
  readonly events: Pick<EventBus, "emit">;
  /** Told of what goes by itself, and of what went wrong where nobody waits. */
  readonly log: (message: string) => void;
  /** What this machine is. */
  readonly platform: Platform;
  readonly clock: () => number;
}
