import type { Command } from "../command.ts";

/** What `ply --help` lists, read without loading a command. */
export interface Verb {
  /** All the ways to call it, the usual one first. Two words: a verb of a group. */
  readonly names: readonly [string, ...string[]];
  readonly summary: string;
  load(): Promise<{ readonly default: Command }>;
}
