export type * from "./containers.ts";
export type * from "./execs.ts";
export type { HealthResult, HealthState } from "./health-state.ts";
export type { DeviceWish, HostSettings, MountWish, Ulimit } from "./host-settings.ts";
export { type OpenContainers, openContainers } from "./open-containers.ts";
export type * from "./open-place.ts";
export type { ContainersParts } from "./parts.ts";
export { type RestartPolicy, restartPolicy } from "./restart-policy.ts";
export { canBecome, hasProcess, isActive } from "./state.ts";
