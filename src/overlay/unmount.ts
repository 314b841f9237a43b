import { failedWith, MNT, umount } from "../linux/index.ts";

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
