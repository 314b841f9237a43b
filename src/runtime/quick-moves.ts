import {
  type FilesystemOption,
  type MountEntry,
  parseMountinfo,
  reconfigureFilesystem,
} from "../linux/index.ts";

const OPTION = "favordynmods";
/** What mountinfo lists and the filesystem does not take. */
const NOT_ITS_OWN: ReadonlySet<string> = new Set(["", "rw", "ro", "seclabel"]);

/** An option of the cgroup2 hierarchy, which holds for those of v1 too. */
export function hasQuickMoves(mounts: readonly MountEntry[] = parseMountinfo()): boolean {
  return unifiedOf(mounts)?.superOptions.includes(OPTION) ?? false;
}

/**
 * Has the kernel move processes into cgroups at once (Linux 6.0), where that is wanted. Unless told so it lets all
 * processors pass a quiet state first, an RCU grace period: 10 of the 50 ms that a container's start would take. The
 * price is a lock at each fork and exit of the whole host, and only a reboot takes it back. `words`: what was changed.
 */
export function favorQuickMoves(
  isWanted: boolean,
  mounts: readonly MountEntry[] = parseMountinfo(),
): { readonly isQuick: boolean; readonly words: readonly string[] } {
  if (hasQuickMoves(mounts)) return { isQuick: true, words: [] };
  const unified = unifiedOf(mounts);
  if (!isWanted || unified === undefined) return { isQuick: false, words: [] };
  // Those that are not named would be taken away.
  const kept = unified.superOptions.filter((option) => !NOT_ITS_OWN.has(option));
  try {
    reconfigureFilesystem(
      unified.target,
      [...kept, OPTION].map((option): FilesystemOption => [option]),
    );
  } catch {
    // Older kernels do not know it, and within a container it is not ours to set: starts take longer, no more.
    return { isQuick: false, words: [] };
  }
  return {
    isQuick: true,
    words: [
      `set the option ${OPTION} of ${unified.target}, for the whole host until it reboots: containers start some 10 ms sooner, each fork and exit costs a little more (ply serve --cgroup-favordynmods=false leaves it alone)`,
    ],
  };
}

function unifiedOf(mounts: readonly MountEntry[]): MountEntry | undefined {
  return mounts.find(({ fstype }) => fstype === "cgroup2");
}
