import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { failedWith, type IdMap, MNT, MS, mount, outsideId, parseMountinfo, umount } from "../linux/index.ts";

const PLACE = "shm";

/** Where the /dev/shm of a shareable container is mounted on the host, for others to have it too. */
export function sharedMemoryOf(dir: string): string {
  return join(dir, PLACE);
}

/** Mounts it, of `size` bytes, for the container's root. */
export function mountSharedMemory(dir: string, size: number, idMap: IdMap | undefined): string {
  const place = sharedMemoryOf(dir);
  releaseSharedMemory(dir);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const owner = (kind: "uids" | "gids") => (idMap === undefined ? 0 : (outsideId(idMap[kind], 0) ?? 0));
  const options = `mode=1777,size=${size},uid=${owner("uids")},gid=${owner("gids")}`;
  mount("shm", place, "tmpfs", MS.NOSUID | MS.NODEV | MS.NOEXEC, options);
  return place;
}

/** Idempotent. Containers that have it mounted keep it. */
export function releaseSharedMemory(dir: string): void {
  const place = sharedMemoryOf(dir);
  try {
    umount(place, MNT.DETACH | MNT.NOFOLLOW);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return;
    if (!failedWith(error, "EINVAL")) throw error;
  }
  if (existsSync(place)) rmdirSync(place);
}

/** After an engine start: unmounts those in `home` whose container's directory is not among `live`. */
export function recoverSharedMemory(home: string, live: ReadonlySet<string>): void {
  for (const { target, fstype } of parseMountinfo()) {
    const dir = dirname(target);
    if (fstype === "tmpfs" && basename(target) === PLACE && dirname(dir) === home && !live.has(dir))
      releaseSharedMemory(dir);
  }
}
