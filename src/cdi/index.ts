export { type CdiDevice, type CdiDevices, isCdiName, readCdiDevices } from "./devices.ts";
export type * from "./spec.ts";
