import { type Ability, examineHost } from "./ability/index.ts";
import { tryDrivers } from "./snapshot/index.ts";

export type { Ability } from "./ability/index.ts";

/** What this host can do for an engine with these directories; it may run or not. */
export function examine({
  root,
  runRoot,
}: {
  readonly root: string;
  readonly runRoot: string;
}): Promise<Ability[]> {
  return examineHost({ root, runRoot, tryDrivers: () => tryDrivers(root, runRoot) });
}
