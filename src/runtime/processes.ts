import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { Cgroups } from "./cgroup.ts";

/**
 * The processes of a container, in the host's numbers: those in its cgroup and the cgroups it made below; without
 * cgroups those that share the pid namespace of its first process.
 */
export async function processIds(
  cgroups: Cgroups,
  cgroupPath: string | null,
  pid: number,
): Promise<number[]> {
  if (cgroupPath !== null)
    for (const hierarchy of cgroups.hierarchies) {
      const found = await idsBelow(join(hierarchy, cgroupPath));
      if (found.length > 0) return found;
    }
  return idsInNamespace(pid);
}

async function idsBelow(cgroup: string): Promise<number[]> {
  const text = await readFile(join(cgroup, "cgroup.procs"), "utf8").catch(() => "");
  const ids = text
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  const entries = await readdir(cgroup, { withFileTypes: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isDirectory()) ids.push(...(await idsBelow(join(cgroup, entry.name))));
  return ids;
}

async function idsInNamespace(pid: number): Promise<number[]> {
  const namespaceOf = (id: number | string) => readlink(`/proc/${id}/ns/pid`).catch(() => undefined);
  const [own, engines] = await Promise.all([namespaceOf(pid), namespaceOf("self")]);
  if (own === undefined) return [];
  // One that shares the host's processes: only its first is known to be its own.
  if (own === engines) return [pid];
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const namespaces = await Promise.all(ids.map(namespaceOf));
  return ids.filter((_, at) => namespaces[at] === own).map(Number);
}
