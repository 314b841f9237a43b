import { closeSync, constants, openSync } from "node:fs";
import { systemCall } from "./libc.ts";
import { type Path, pathText } from "./path.ts";

const FS_IOC_SETFLAGS = 0x40086602;

/** Takes all inode flags (immutable, append-only: chattr(1)) off a file or directory; links are not followed. */
export function clearInodeFlags(path: Path): void {
  const fd = openSync(
    typeof path === "string" ? path : Buffer.from(path),
    constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
  );
  try {
    systemCall("ioctl", pathText(path), fd, FS_IOC_SETFLAGS, new Uint8Array(8));
  } finally {
    closeSync(fd);
  }
}
