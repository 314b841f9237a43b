export { openVolumes, type VolumeDocuments, type VolumesParts } from "./open-volumes.ts";
export type * from "./volumes.ts";
