import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PlyError } from "../error.ts";
import { failedWith, MS, mount, openLoop, umount } from "../linux/index.ts";
import { isMountPoint } from "./mount-point.ts";
import { probeOverlay2 } from "./probe.ts";

/** Where an engine keeps everything. Dispose it when nothing is open there any more. */
export interface StateDirectory extends Disposable {
  readonly path: string;
  /** That it is not the directory that was asked for, and why. */
  readonly warnings: readonly string[];
}

/** Magic numbers (statfs(2)) of filesystems that hold no writable layer, or not everywhere: overlayfs, FUSE, 9p, NFS, CIFS, SMB2, FAT. */
const DOUBTFUL: ReadonlySet<number> = new Set([
  0x794c7630, 0x65735546, 0x01021997, 0x6969, 0xff534d42, 0xfe534d42, 0x4d44,
]);
const IMAGE = "disk.ext4";
const PLACE = "disk";
/** What is left to the filesystem around it. */
const LEFT_FREE_BYTES = 256 * 2 ** 20;
const LEAST_BYTES = 512 * 2 ** 20;

/**
 * `root` itself, or, where that cannot hold writable layers (a container's own overlay, a network filesystem), a filesystem in a
 * file of it, `disk.ext4`, mounted at `disk`. Throws "unsupported" where that cannot be had either.
 */
export async function openStateDirectory(root: string, runRoot: string): Promise<StateDirectory> {
  mkdirSync(root, { recursive: true, mode: 0o710 });
  const image = join(root, IMAGE);
  if (!existsSync(image) && (await holdsLayers(root, runRoot))) return plain(root);
  const place = join(root, PLACE);
  try {
    if (!existsSync(image)) await makeDisk(root, image);
    mkdirSync(place, { recursive: true, mode: 0o710 });
    if (!isMountPoint(place)) mountDisk(image, place);
  } catch (cause) {
    throw new PlyError(
      "unsupported",
      `${root} holds no writable layers, and no filesystem in a file of it either: ${messageOf(cause)}`,
      {
        hint: "put --root on ext4, xfs or btrfs; or: apt-get install e2fsprogs, and loop devices",
        cause,
      },
    );
  }
  return {
    path: place,
    warnings: [
      `the filesystem of ${root} holds no writable layers: everything is kept in a filesystem of its own, ${image}, which costs some speed`,
    ],
    [Symbol.dispose]: () => unmountIdle(place),
  };
}

function plain(path: string): StateDirectory {
  return { path, warnings: [], [Symbol.dispose]: () => undefined };
}

async function holdsLayers(root: string, runRoot: string): Promise<boolean> {
  if (!DOUBTFUL.has(statfsSync(root).type)) return true;
  try {
    await probeOverlay2(root, runRoot);
    return true;
  } catch (error) {
    // Without the right to mount nothing helps: the storage drivers say so.
    return failedWith(error, "EPERM");
  }
}

/** As large as may be: only what is written takes space. */
async function makeDisk(root: string, image: string): Promise<void> {
  const { bavail, bsize } = statfsSync(root);
  const size = Math.max(LEAST_BYTES, bavail * bsize - LEFT_FREE_BYTES);
  const fresh = `${image}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, "", { mode: 0o600 });
  truncateSync(fresh, size - (size % 2 ** 20));
  const lazily = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
  const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  await promisify(execFile)("mkfs.ext4", ["-q", "-F", "-m", "0", "-E", lazily, fresh], { env: { PATH } });
  renameSync(fresh, image);
}

function mountDisk(image: string, place: string): void {
  const loop = openLoop(image, { readOnly: false });
  try {
    // What is deleted in it is given back to the filesystem around it.
    mount(loop.device, place, "ext4", MS.NOATIME, "discard");
  } finally {
    loop.close();
  }
}

/** Containers that run on keep it. */
function unmountIdle(place: string): void {
  try {
    umount(place);
  } catch (error) {
    if (!failedWith(error, "EBUSY") && !failedWith(error, "EINVAL")) throw error;
  }
}
