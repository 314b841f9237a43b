/** `works`: as it should. `limited`: containers run, with less. `broken`: they do not. */
export type AbilityState = "works" | "limited" | "broken";

export type AbilityArea =
  | "engine"
  | "rights"
  | "programs"
  | "kernel"
  | "cgroups"
  | "storage"
  | "security"
  | "network"
  | "container";

/** What this host can do, found by doing it. */
export interface Ability {
  readonly area: AbilityArea;
  /** `memory`, `id-mapped mounts`. */
  readonly name: string;
  readonly state: AbilityState;
  /** What was found, in a few words. */
  readonly found: string;
  /** What its lack costs. */
  readonly cost?: string;
  /** A command that cures it, or what to do. */
  readonly cure?: string;
}

/** Does something for real: its answer is what was found. What it throws is told with `lack`. */
export async function attempt(
  about: Pick<Ability, "area" | "name">,
  act: () => Promise<string> | string,
  lack: { readonly state: "limited" | "broken"; readonly cost: string; readonly cure?: string },
): Promise<Ability> {
  try {
    return { ...about, state: "works", found: await act() };
  } catch (error) {
    return { ...about, found: words(error), ...lack };
  }
}

function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split("\n")[0] ?? "";
}
