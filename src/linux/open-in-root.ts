import { constants } from "node:fs";
import { systemCallError, trySystemCall } from "./libc.ts";
import { cString, type Path, pathText } from "./path.ts";

const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;
const O_CLOEXEC = 0o2000000;
const EAGAIN = 11;
/** The kernel gives up when something is renamed while it looks (EAGAIN): a hostile process can do that for long, not for ever. */
const ATTEMPTS = 1000;

export interface OpenInRootOptions {
  /** No symbolic link is followed, not even one on the way (ELOOP). */
  readonly noLinks?: boolean;
  /** Nothing that is mounted below is entered (EXDEV). */
  readonly sameMount?: boolean;
}

/**
 * openat2(2): opens `path` as if the open directory `root` were `/`: links, absolute ones too, and `..` stay within,
 * whatever others rename meanwhile. `flags` as for open(2); close-on-exec is added. Nothing is created. Returns
 * a descriptor for the caller to close. Throws "not-found" (ENOENT, ENOTDIR), "invalid" (ELOOP), …; needs Linux 5.6.
 */
export function openInRoot(root: number, path: Path, flags: number, options: OpenInRootOptions = {}): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt((flags & ~constants.O_CREAT) | O_CLOEXEC), 0);
  let resolve =
    RESOLVE_NO_MAGICLINKS | (options.noLinks ? RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH : RESOLVE_IN_ROOT);
  if (options.sameMount) resolve |= RESOLVE_NO_XDEV;
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const text = cString(path.length === 0 ? "." : path);
  for (let attempt = 1; ; attempt++) {
    const fd = trySystemCall("openat2", root, text, how, how.length);
    if (fd >= 0) return fd;
    if (fd !== -EAGAIN || attempt === ATTEMPTS) throw systemCallError("openat2", -fd, pathText(path));
  }
}
