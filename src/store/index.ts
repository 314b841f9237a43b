export type * from "./stack.ts";
export type * from "./store.ts";
