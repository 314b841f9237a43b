export type * from "./docker-container.ts";
export type * from "./docker-image.ts";
export type * from "./docker-stats.ts";
export type * from "./docker-system.ts";
export * from "./json-lines.ts";
export type * from "./ply.ts";
export * from "./registry-auth.ts";
export * from "./stream-frame.ts";
