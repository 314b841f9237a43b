export type { EngineEvent, EventBus, EventFilter } from "./event.ts";
