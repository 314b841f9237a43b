export type { Ability, AbilityArea, AbilityState } from "./ability.ts";
export { type ExamineOptions, examineHost } from "./examine.ts";
export type { TriedDriver } from "./storage.ts";
