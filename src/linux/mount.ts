import { PlyError } from "../error.ts";
import { systemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

/** Flags of mount(2). */
export const MS = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  REMOUNT: 0x20,
  NOATIME: 0x400,
  BIND: 0x1000,
  MOVE: 0x2000,
  REC: 0x4000,
  SILENT: 0x8000,
  UNBINDABLE: 0x20000,
  PRIVATE: 0x40000,
  SLAVE: 0x80000,
  SHARED: 0x100000,
  RELATIME: 0x200000,
} as const;

/** Flags of umount2(2). */
export const MNT = { FORCE: 0x1, DETACH: 0x2, EXPIRE: 0x4, NOFOLLOW: 0x8 } as const;

/** The kernel copies one page of options and cuts the rest off without a word. */
const MOUNT_DATA_LIMIT = 4095;

/**
 * mount(2). `source`, `fstype` and `data` may be empty. Throws with details.code: ENOTBLK where a
 * file-backed EROFS is not supported. "limit" when `data` is longer than the kernel reads: use
 * {@link fsopenMount}.
 */
export function mount(source: Path, target: Path, fstype: string, flags: number, data: Path = ""): void {
  const options = cString(data);
  if (options.length - 1 > MOUNT_DATA_LIMIT)
    throw new PlyError(
      "limit",
      `mount options of ${options.length - 1} bytes: mount(2) reads ${MOUNT_DATA_LIMIT}`,
    );
  systemCall(
    "mount",
    pathText(target),
    cString(source),
    cString(target),
    fstype === "" ? null : cString(fstype),
    flags,
    options.length === 1 ? null : options,
  );
}

/** umount2(2). Throws with details.code: EINVAL when nothing is mounted there, EBUSY. */
export function umount(target: Path, flags = 0): void {
  systemCall("umount2", pathText(target), cString(target), flags);
}
