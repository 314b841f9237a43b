import { constants, existsSync, realpathSync } from "node:fs";
import { open } from "node:fs/promises";
import { failedWith, MNT, parseMountinfo, umount } from "../linux/index.ts";

/** Of open(2): a handle on the place alone, which node: does not name. */
const O_PATH = 0x200000;

/** Unmounts whatever lies on a path, however often; nothing there is fine. In use: it goes when its users do. */
export function unmountAll(target: string): void {
  for (;;) {
    try {
      umount(target, MNT.NOFOLLOW);
    } catch (error) {
      if (failedWith(error, "EINVAL") || failedWith(error, "ENOENT")) return;
      if (!failedWith(error, "EBUSY")) throw error;
      umount(target, MNT.DETACH | MNT.NOFOLLOW);
    }
  }
}

/** Unmounts whatever is mounted below a directory, which need not be there. */
export function unmountBelow(path: string): void {
  if (!existsSync(path)) return;
  const directory = realpathSync(path);
  for (const { target } of parseMountinfo().reverse())
    if (target.startsWith(`${directory}/`)) unmountAll(target);
}

/**
 * Unmounts what is there without holding this thread up: an overlay writes out all that is dirty on the filesystem of
 * its upper directory, be it of other programs, which takes seconds at times. Whoever lets go of a detached mount last
 * does that, here the thread that closes our handle. Nothing there is fine.
 */
export async function unmountAside(target: string): Promise<void> {
  const handle = await open(target, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    umount(target, MNT.DETACH | MNT.NOFOLLOW);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
  } finally {
    await handle.close();
  }
}
