export { type PackOptions, pack } from "./pack.ts";
export { absolute, isOnRootMount, openRoot, type Root } from "./root.ts";
export { type EntryType, type FileEntry, type FileStat, listDirectory, statPath } from "./stat.ts";
export { type Unpacked, type UnpackOptions, unpack } from "./unpack.ts";
