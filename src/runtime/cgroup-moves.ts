import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Cgroups } from "./cgroup.ts";

/**
 * Announces that a process will soon be moved into a cgroup. The kernel lets all processors pass a quiet state first
 * (an RCU grace period, some 10 ms) unless a move was made just before: that wait begins now, beside whatever else
 * has to be done until then. Never throws, and returns at once.
 */
export function openMoveAnnouncer(cgroups: Cgroups): () => void {
  const path = ownProcesses(cgroups);
  let isUnderWay = false;
  return () => {
    if (path === undefined || isUnderWay) return;
    isUnderWay = true;
    moveIntoOwn(path)
      // Without it the next move waits by itself.
      .catch(() => undefined)
      .finally(() => {
        isUnderWay = false;
      });
  };
}

/** A process that is moved to where it is goes nowhere, but waits as any other. */
async function moveIntoOwn(path: string): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(String(process.pid));
}

/** The list of processes of this process's own cgroup, in any hierarchy: they share the lock. */
function ownProcesses({ hierarchies }: Cgroups): string | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/self/cgroup", "utf8");
  } catch {
    return undefined;
  }
  for (const line of text.split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.+)$/.exec(line) ?? [];
    if (path === "") continue;
    // v2's has no controllers; v1's hierarchies are mounted under the names of theirs.
    const names = controllers === "" ? ["cgroup", "unified"] : [controllers.replace(/^name=/, "")];
    const mounted = hierarchies.find((hierarchy) => names.includes(basename(hierarchy)));
    if (mounted !== undefined) return join(mounted, path, "cgroup.procs");
  }
  return undefined;
}
