export { type Attestation, packageUrl } from "./attestation.ts";
export { applyChanges } from "./changes.ts";
export type { Annotations, ImageContent } from "./compose.ts";
export type { ContentPlace } from "./content-home.ts";
export type { StackDriver, TransferLimits } from "./context.ts";
export type * from "./images.ts";
export { type ImagesParts, openImages } from "./open-images.ts";
export { platformOf } from "./platform-match.ts";
export type { LayerForm, Publication, PublicationArchive, PublishedImage } from "./publication.ts";
