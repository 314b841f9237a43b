export type { ErofsDirent } from "./directory.ts";
export type * from "./node.ts";
export { type ErofsImage, type ErofsInode, type ErofsMapping, type ErofsSource, openErofs } from "./read.ts";
export { type ErofsDevice, type WriteErofsOptions, writeErofs } from "./write.ts";
