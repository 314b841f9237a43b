export {
  type ChangeAspect,
  type ChangesOptions,
  changesBetween,
  sameXattrs,
  type TreeChange,
} from "./changes.ts";
export { compareLayers, type EntryDifference } from "./compare.ts";
export { type DiffOptions, diffUpper } from "./diff.ts";
export type * from "./entry.ts";
export { createEntryCollector, type EntryCollector, OPAQUE_MARKER } from "./from-tar.ts";
export { decodeIndex, encodeIndex } from "./index-codec.ts";
export type * from "./ingest.ts";
export { DEFAULT_INGEST_LIMITS, type IngestLimits } from "./ingest-limit.ts";
export { createIngestPool, type IngestPoolOptions } from "./ingest-pool.ts";
export { lookup, type ResolvedPath, resolveInTree } from "./lookup.ts";
export { cleanPath } from "./path.ts";
export { type LayerEvent, layersOf } from "./provenance.ts";
export type * from "./tree.ts";
export { createUnion, sortTree, type UnionBuilder, unionOf } from "./union.ts";
export type { UpperDirs } from "./upper.ts";
export { changesOfUpper, type PathChange } from "./upper-changes.ts";
