export type * from "./entry.ts";
export { createEntryCollector, type EntryCollector } from "./from-tar.ts";
export { decodeIndex, encodeIndex } from "./index-codec.ts";
export type * from "./ingest.ts";
export type * from "./tree.ts";
