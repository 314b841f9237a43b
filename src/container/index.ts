export type * from "./containers.ts";
export { type OpenContainers, openContainers } from "./open-containers.ts";
export type { ContainersParts } from "./parts.ts";
export { canBecome } from "./state.ts";
