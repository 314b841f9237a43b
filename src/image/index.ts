export { applyChanges } from "./changes.ts";
export type { StackDriver, TransferLimits } from "./context.ts";
export type * from "./images.ts";
export { type ImagesParts, openImages } from "./open-images.ts";
