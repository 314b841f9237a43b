export { createEventBus, type EventBusOptions } from "./bus.ts";
export type { EngineEvent, EventBus, EventFilter } from "./event.ts";
