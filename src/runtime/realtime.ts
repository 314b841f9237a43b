import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Cgroups, hierarchyOf } from "./cgroup.ts";

const FILE = "cpu.rt_runtime_us";

/**
 * Lets a container have real-time CPU time: the cgroups above `path` have none to give unless they are given the
 * root's. Where that cannot be, the runtime says so.
 */
export function grantRealtime(cgroups: Cgroups, path: string): void {
  const hierarchy = hierarchyOf(cgroups, "cpu");
  if (hierarchy === undefined || hierarchy.isUnified) return;
  try {
    const above = join(hierarchy.path, dirname(path));
    writeFileSync(join(above, FILE), readFileSync(join(hierarchy.path, FILE)));
  } catch {
    // Not there yet, or promised to others.
  }
}
