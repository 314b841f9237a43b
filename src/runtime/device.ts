import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { join, posix } from "node:path";
import { PlyError } from "../error.ts";
import { decodeDevice } from "./block-device.ts";
import type { OciDevice } from "./spec.ts";

/** Directories of /dev that are filesystems of their own in a container. */
const SKIPPED = new Set([
  "/dev/pts",
  "/dev/shm",
  "/dev/fd",
  "/dev/mqueue",
  "/dev/hugepages",
  "/dev/.lxc",
  "/dev/.lxd-mounts",
]);
/** Made by the runtime itself. */
const MADE_ANYWAY = new Set(
  ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"].map((name) => `/dev/${name}`),
);
const DEPTH_LIMIT = 4;

/** Every device node of the host, for a privileged container. */
export async function listHostDevices(directory = "/dev", depth = 0): Promise<OciDevice[]> {
  const entries: Dirent[] = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const found: OciDevice[] = [];
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (!SKIPPED.has(path) && depth < DEPTH_LIMIT) found.push(...(await listHostDevices(path, depth + 1)));
    } else if ((entry.isCharacterDevice() || entry.isBlockDevice()) && !MADE_ANYWAY.has(path)) {
      found.push(describe(path, await lstat(path)));
    }
  }
  return found;
}

/**
 * The device at a path of the host, or all below a directory, as they are to be called in the container.
 * Throws "invalid" in Docker's words when there is none.
 */
export async function findDevices(hostPath: string, containerPath: string): Promise<OciDevice[]> {
  const stats = await stat(hostPath).catch((cause: unknown) => {
    throw new PlyError(
      "invalid",
      `error gathering device information while adding custom device ${JSON.stringify(hostPath)}: no such file or directory`,
      { cause, hint: "name a device node of this host" },
    );
  });
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return [describe(containerPath, stats)];
  const below = stats.isDirectory() ? await listHostDevices(hostPath) : [];
  if (below.length === 0)
    throw new PlyError(
      "invalid",
      `error gathering device information while adding custom device ${JSON.stringify(hostPath)}: not a device node`,
    );
  return below.map((device) => ({
    ...device,
    path: posix.join(containerPath, device.path.slice(hostPath.length)),
  }));
}

function describe(path: string, stats: Stats): OciDevice {
  const { rdev, mode, uid, gid } = stats;
  const { major, minor } = decodeDevice(rdev);
  return { path, type: stats.isBlockDevice() ? "b" : "c", major, minor, fileMode: mode & 0o7777, uid, gid };
}
