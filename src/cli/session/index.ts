export * from "./attached.ts";
export { DEFAULT_DETACH_KEYS, parseDetachKeys } from "./detach.ts";
