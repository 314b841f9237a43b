export type * from "./build.ts";
export type { CachedStep } from "./cache.ts";
export type * from "./calls.ts";
export { type CacheMount, openCacheMounts } from "./cache-mounts.ts";
export type * from "./context.ts";
export type { FileTree } from "./file-tree.ts";
export type { Times } from "./layer-plan.ts";
export { openBuilder } from "./open-builder.ts";
export type { BuilderParts } from "./parts.ts";
