export { copyDirectoryAttributes } from "./attributes.ts";
export { cloneTree } from "./clone.ts";
export { type MappedOverlay, mountMappedOverlay } from "./id-mapped.ts";
export { mountOverlay, type OverlayOptions } from "./mount.ts";
export { removeSmallTree, removeTree } from "./remove-tree.ts";
export {
  type Captured,
  type CaptureMethod,
  captureStrata,
  isStratum,
  makeTop,
  newStratum,
  reviveStrata,
  type Strata,
  tidyStrata,
} from "./strata.ts";
export { unmountAll, unmountAside, unmountBelow } from "./unmount.ts";
