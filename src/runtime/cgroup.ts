import { existsSync, rmdirSync } from "node:fs";
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { codeOf, messageOf } from "../error.ts";
import { type MountEntry, MS, mount, parseMountinfo } from "../linux/index.ts";

const CGROUP_ROOT = "/sys/fs/cgroup";

/**
 * v1: controllers apart, each a hierarchy. hybrid: v1 with a v2 hierarchy beside it. v2: unified.
 * none: nothing is mounted that a container could be put into.
 */
export type CgroupLayout = "v1" | "hybrid" | "v2" | "none";

export interface Cgroups {
  readonly layout: CgroupLayout;
  /** Where hierarchies are mounted; a container's cgroup is a directory below each. */
  readonly hierarchies: readonly string[];
  /** Controllers on the v2 side of a hybrid layout: crun refuses to work with them. */
  readonly strayControllers: readonly string[];
}

/** Looks at what is really mounted. `mounts` and `readControllers` for tests. */
export async function inspectCgroups(
  mounts: readonly MountEntry[] = parseMountinfo(),
  readControllers: (hierarchy: string) => Promise<string> = (hierarchy) =>
    readFile(join(hierarchy, "cgroup.controllers"), "utf8").catch(() => ""),
): Promise<Cgroups> {
  const own = mounts.filter(
    ({ fstype, target }) =>
      (fstype === "cgroup" || fstype === "cgroup2") &&
      (target === CGROUP_ROOT || target.startsWith(`${CGROUP_ROOT}/`)),
  );
  const hierarchies = [...new Set(own.map(({ target }) => target))];
  const unified = own.find(({ fstype }) => fstype === "cgroup2")?.target;
  if (unified === undefined)
    return { layout: hierarchies.length === 0 ? "none" : "v1", hierarchies, strayControllers: [] };
  if (unified === CGROUP_ROOT) return { layout: "v2", hierarchies: [unified], strayControllers: [] };
  const controllers = (await readControllers(unified)).split(/\s+/).filter((name) => name !== "");
  return { layout: "hybrid", hierarchies, strayControllers: controllers };
}

/**
 * Gives each stray controller a v1 hierarchy of its own, which takes it off the v2 side. Returns what was
 * done, in words; `cured` false when something could not be done.
 */
export async function cureHybrid(cgroups: Cgroups): Promise<{ cured: boolean; words: string[] }> {
  const words: string[] = [];
  for (const controller of cgroups.strayControllers) {
    const target = join(CGROUP_ROOT, controller);
    try {
      await mkdir(target, { recursive: true });
      mount("cgroup", target, "cgroup", MS.NOSUID | MS.NODEV | MS.NOEXEC, controller);
      words.push(
        `mounted the cgroup controller ${controller} at ${target}: crun refuses a hybrid layout with it`,
      );
    } catch (error) {
      await rmdir(target).catch(() => undefined);
      words.push(`cannot mount the cgroup controller ${controller} at ${target}: ${messageOf(error)}`);
      return { cured: false, words };
    }
  }
  const now = await inspectCgroups();
  return { cured: now.strayControllers.length === 0, words };
}

/**
 * Removes a container's cgroup from every hierarchy. False when one is still there, because something lives
 * in it or the container made cgroups of its own below.
 */
export function removeCgroup(cgroups: Cgroups, path: string): boolean {
  let areGone = true;
  for (const hierarchy of cgroups.hierarchies) {
    const directory = join(hierarchy, path);
    try {
      rmdirSync(directory);
    } catch (error) {
      if (codeOf(error) !== "ENOENT" && existsSync(directory)) areGone = false;
    }
  }
  return areGone;
}

/** Writes one limit of a container's cgroup, where the host has its controller. */
export async function writeLimit(
  cgroups: Cgroups,
  path: string,
  { controller, file }: { readonly controller: string; readonly file: string },
  value: string,
): Promise<void> {
  const hierarchy = hierarchyOf(cgroups, controller);
  if (hierarchy !== undefined) await writeFile(join(hierarchy.path, path, file), value);
}

/** Where a controller is: the unified hierarchy, or (v1) the one mounted for it, alone or with others. */
export function hierarchyOf(
  { layout, hierarchies }: Cgroups,
  controller: string,
): { readonly path: string; readonly isUnified: boolean } | undefined {
  const unified = hierarchies[0];
  if (layout === "v2") return unified === undefined ? undefined : { path: unified, isUnified: true };
  const path = hierarchies.find((each) => basename(each).split(",").includes(controller));
  return path === undefined ? undefined : { path, isUnified: false };
}
