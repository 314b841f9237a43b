export { copyDirectoryAttributes } from "./attributes.ts";
export { mountMappedOverlay } from "./id-mapped.ts";
export { mountOverlay, type OverlayOptions } from "./mount.ts";
export { removeTree } from "./remove-tree.ts";
export { unmountAll } from "./unmount.ts";
