import { probeNetworks } from "../network/index.ts";
import type { Ability } from "./ability.ts";
import { probeCgroups } from "./cgroups.ts";
import { probeContainer } from "./container.ts";
import { probeKernel, probeSecurity } from "./kernel.ts";
import { probePlatforms } from "./platforms.ts";
import { probePrograms } from "./programs.ts";
import { probeRights } from "./rights.ts";
import { probeStorage, type TriedDriver } from "./storage.ts";

export interface ExamineOptions {
  /** The state directory, and what a reboot may take. */
  readonly root: string;
  readonly runRoot: string;
  /** Tries every storage driver in the state directory, best first. */
  readonly tryDrivers: () => Promise<readonly TriedDriver[]>;
}

/** Tries all that containers need of this host; leaves nothing behind. One thing that fails keeps no other from being tried. */
export async function examineHost({ root, runRoot, tryDrivers }: ExamineOptions): Promise<Ability[]> {
  const probes: readonly (() => Promise<Ability[]>)[] = [
    () => probeRights(runRoot),
    probePrograms,
    () => probeKernel(root),
    async () => probePlatforms(runRoot),
    probeCgroups,
    async () => probeStorage(root, await tryDrivers()),
    probeSecurity,
    async () => [networks()],
    async () => [await probeContainer()],
  ];
  const found: Ability[] = [];
  for (const probe of probes)
    try {
      found.push(...(await probe()));
    } catch (error) {
      found.push({
        area: "engine",
        name: "examination",
        state: "limited",
        found: error instanceof Error ? error.message : String(error),
        cost: "a part of this host was not looked at",
      });
    }
  return found;
}

function networks(): Ability {
  const { works, problems } = probeNetworks();
  const about = { area: "network", name: "networks" } as const;
  if (works) return { ...about, state: "works", found: "bridges, published ports, names" };
  const [found = "", cost = ""] = (problems[0] ?? "").split(": ");
  return {
    ...about,
    state: "limited",
    found,
    cost: cost.replace(/ \(.*\)$/, ""),
    cure: /\((apt-get [^)]*)\)/.exec(problems.join())?.[1] ?? "run the engine as root",
  };
}
