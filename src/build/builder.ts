import type { ImageId, Platform } from "../oci/index.ts";
import type { BuildOptions, BuildResult } from "./build.ts";
import type { CacheKeeper } from "./cache/cache-keeper.ts";
import type { Calls } from "./calls.ts";
import type {
  BuildContext,
  BuildContexts,
  ContextOptions,
  ContextSource,
  ContextSources,
} from "./context/context.ts";
import type { FileTree } from "./context/file-tree.ts";
import type { CacheMounts } from "./run/cache-mounts.ts";

export interface Builder extends AsyncDisposable {
  readonly calls: Calls;
  /** Throws "invalid" with the place for what is wrong with the Dockerfile, and what steps throw. Nothing is left on failure. */
  build(options: BuildOptions): Promise<BuildResult>;
  /** Stops a build by its id; false when there is none. */
  cancel(id: string): boolean;
  /** Takes the classic API's one context in. The caller disposes it when the build is over. */
  openContext(source: ContextSource, options: ContextOptions): Promise<BuildContext>;
  /** The image in an OCI layout, for a context of that kind; "" means `latest`, or the only one. */
  imageOfLayout(layout: FileTree, reference: string, platform: Platform | undefined): Promise<ImageId>;
  /** Takes several contexts in; `archive` holds those that are members of it. */
  openContexts(sources: ContextSources, options: ContextOptions): Promise<BuildContexts>;
  /** What `RUN --mount=type=cache` keeps. */
  readonly cacheMounts: CacheMounts;
  readonly cache: Pick<CacheKeeper, "entries" | "prune">;
}
