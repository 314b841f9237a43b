export { type AttachedOptions, feed, runAttached, startContainer, startFailureCode } from "./attached.ts";
export { DEFAULT_DETACH_KEYS, parseDetachKeys } from "./detach.ts";
export { type ExecOptions, runExec } from "./exec.ts";
export { openRun, type Running, type RunOptions } from "./run.ts";
