import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
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
      const { rdev, mode, uid, gid } = await lstat(path);
      const { major, minor } = decodeDevice(rdev);
      const type = entry.isCharacterDevice() ? "c" : "b";
      found.push({ path, type, major, minor, fileMode: mode & 0o7777, uid, gid });
    }
  }
  return found;
}

/** glibc's 64-bit dev_t, whose low 32 bits are the kernel's. */
function decodeDevice(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
