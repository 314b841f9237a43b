export { type ChooseOptions, type Chosen, chooseDriver, type Tried, tryDrivers } from "./choose.ts";
export type * from "./driver.ts";
export { type ErofsDriverOptions, erofsDriver } from "./erofs-driver.ts";
export type { ErofsMode } from "./erofs-mount.ts";
export { type Overlay2DriverOptions, overlay2Driver } from "./overlay2-driver.ts";
export { openStateDirectory, type StateDirectory } from "./state-directory.ts";
