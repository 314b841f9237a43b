import { closeSync, readSync } from "node:fs";
import { systemCall, systemCallError, trySystemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSPICK_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;
const MOUNT_ATTR = { readOnly: 0x1, noSuid: 0x2, noDev: 0x4, noExec: 0x8, noAtime: 0x10 } as const;

export type MountAttribute = keyof typeof MOUNT_ATTR;

/** An option without a value is a flag (`["ro"]`). */
export type FilesystemOption = readonly [key: string, value?: Path];

/**
 * Mounts through fsopen(2), fsconfig(2), fsmount(2) and move_mount(2): any number of options, each value
 * up to 255 bytes. The kernel's own words about a refused option are in the error.
 */
export function fsopenMount(
  fstype: string,
  options: readonly FilesystemOption[],
  target: Path,
  attributes: Readonly<Partial<Record<MountAttribute, boolean>>> = {},
): void {
  const where = pathText(target);
  let flags = 0;
  for (const [name, bit] of Object.entries(MOUNT_ATTR))
    if (attributes[name as MountAttribute] === true) flags |= bit;
  const context = systemCall("fsopen", fstype, cString(fstype), FSOPEN_CLOEXEC);
  try {
    configure(context, options, FSCONFIG_CMD_CREATE, where);
    const mounted = systemCall("fsmount", where, context, FSMOUNT_CLOEXEC, flags);
    try {
      const empty = cString("");
      systemCall("move_mount", where, mounted, empty, AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH);
    } finally {
      closeSync(mounted);
    }
  } finally {
    closeSync(context);
  }
}

/**
 * Gives a mounted filesystem these options (fspick(2), fsconfig(2)). Those of its mounts (nosuid…) stay; whether those of
 * the filesystem that are not named stay is the filesystem's affair.
 */
export function reconfigureFilesystem(target: Path, options: readonly FilesystemOption[]): void {
  const where = pathText(target);
  const context = systemCall("fspick", where, AT_FDCWD, cString(target), FSPICK_CLOEXEC);
  try {
    configure(context, options, FSCONFIG_CMD_RECONFIGURE, where);
  } finally {
    closeSync(context);
  }
}

function configure(
  context: number,
  options: readonly FilesystemOption[],
  command: number,
  where: string,
): void {
  const call = (how: number, key: string | null, value: Path | null): void => {
    const keyBytes = key === null ? null : cString(key);
    const valueBytes = value === null ? null : cString(value);
    const result = trySystemCall("fsconfig", context, how, keyBytes, valueBytes, 0);
    if (result >= 0) return;
    const about = key === null ? where : `${key}${value === null ? "" : `=${pathText(value)}`}`;
    throw systemCallError("fsconfig", -result, about, contextLog(context));
  };
  for (const [key, value] of options)
    call(value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value ?? null);
  call(command, null, null);
}

/** What the kernel has to say about the last failure: lines such as `e erofs: cannot find device`. */
function contextLog(context: number): string {
  const lines: string[] = [];
  const buffer = Buffer.alloc(1024);
  for (let reads = 0; reads < 8; reads++) {
    try {
      const size = readSync(context, buffer);
      if (size === 0) break;
      lines.push(buffer.toString("utf8", 0, size).trim());
    } catch {
      break; // ENODATA: nothing more was said
    }
  }
  return lines.join("; ");
}
