export type * from "./ingest.ts";
export { PART_KEPT_MS } from "./layout.ts";
export { ABANDONED_LEASE_MS } from "./lease.ts";
export { openStore, type StoreOptions } from "./open.ts";
export type * from "./stack.ts";
export type * from "./store.ts";
