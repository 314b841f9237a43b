export type * from "./entry.ts";
export type * from "./ingest.ts";
export type * from "./tree.ts";
