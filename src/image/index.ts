export { applyChanges } from "./changes.ts";
export type { Content, NewContent } from "./content.ts";
export type { ContentPlace } from "./content-home.ts";
export type { StackDriver, TransferLimits } from "./context.ts";
export type * from "./images.ts";
export { type ImagesParts, openImages } from "./open-images.ts";
