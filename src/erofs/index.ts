export type { ErofsDirent } from "./directory.ts";
export type { ErofsInode } from "./inode.ts";
export type * from "./node.ts";
export { type ErofsImage, type ErofsMapping, type ErofsSource, openErofs } from "./read.ts";
export type { DeviceSlot } from "./superblock.ts";
export { type ErofsDevice, type WriteErofsOptions, writeErofs } from "./write.ts";
