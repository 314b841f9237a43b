import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../version.ts";

/** Trials that have worked and would again: nothing that they depend on has changed since. */
export interface TrialMemory {
  hasWorked(trial: string): boolean;
  note(trial: string): void;
}

const FILE = "trials.json";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const CAPABILITIES = /^Cap(?:Eff|Bnd):.*$/gm;

/**
 * Remembers trials in the run root. They count for the same program, boot (the kernel and its modules), rights and
 * directories only. A quarter of an engine's start goes into trials.
 */
export function openTrialMemory(root: string, runRoot: string): TrialMemory {
  const path = join(runRoot, FILE);
  const worked = load(path, describe(root, runRoot));
  return {
    hasWorked: (trial) => worked.has(trial),
    note(trial) {
      // Looked at again: the trial may have made the directories.
      const circumstances = describe(root, runRoot);
      if (circumstances === undefined) return;
      worked.add(trial);
      try {
        writeFileSync(`${path}.new`, JSON.stringify({ circumstances, worked: [...worked] }), { mode: 0o600 });
        renameSync(`${path}.new`, path);
      } catch {
        // The next start tries again.
      }
    },
  };
}

/** Undefined where it cannot be told: then nothing is remembered. */
function describe(root: string, runRoot: string): string | undefined {
  try {
    const rights = readFileSync("/proc/self/status", "latin1").match(CAPABILITIES) ?? [];
    const boot = readFileSync(BOOT_ID, "latin1").trim();
    const places = [root, runRoot].map((place) => {
      const { dev, ino } = statSync(place, { bigint: true });
      return `${dev}:${ino}`;
    });
    return [VERSION, boot, ...rights, ...places].join(" ");
  } catch {
    return undefined;
  }
}

function load(path: string, circumstances: string | undefined): Set<string> {
  try {
    const kept: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof kept !== "object" || kept === null) return new Set();
    const { circumstances: then, worked } = kept as Readonly<Record<string, unknown>>;
    if (then !== circumstances || !Array.isArray(worked)) return new Set();
    return new Set(worked.map(String));
  } catch {
    return new Set();
  }
}
