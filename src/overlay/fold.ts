import type { Stats } from "node:fs";
import { lstat, mkdir, readdir, rename, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { lgetxattr, lgetxattrs, lremovexattr, lsetxattr, utimensNs } from "../linux/index.ts";
import { copyDirectoryAttributes } from "./attributes.ts";

const OPAQUE = "trusted.overlay.opaque";
const OVERLAY_PREFIX = "trusted.overlay.";
const YES = Buffer.from("y");
const SLASH = Buffer.from("/");

export interface FoldOptions {
  /** Nothing lies below `lower`: marks that hide things need not be kept, and are not. */
  readonly isBottom: boolean;
  /** An empty directory of the same filesystem; what was replaced ends up there. */
  readonly trash: string;
}

/**
 * Moves what an overlay's upper directory holds into the lower directory right below it, so that `lower` alone
 * shows what both showed. Neither may be mounted. After each step both together still show the same: a crash
 * leaves a stack that can be mounted as it was, or folded once more. `upper` is left empty.
 */
export async function foldLayer(upper: string, lower: string, options: FoldOptions): Promise<void> {
  let removed = 0;
  await mkdir(options.trash, { recursive: true });
  const discard = (path: Buffer): Promise<void> => rename(path, join(options.trash, String(removed++)));
  await foldDirectory(Buffer.from(upper), Buffer.from(lower));

  async function foldDirectory(above: Buffer, below: Buffer): Promise<void> {
    const { mtimeNs } = await lstat(above, { bigint: true });
    for (const name of await readdir(above, { encoding: "buffer" })) {
      const [from, to] = [Buffer.concat([above, SLASH, name]), Buffer.concat([below, SLASH, name])];
      const stat = await lstat(from);
      const old = await lstat(to).catch(ignoreMissing);
      if (isWhiteout(stat)) {
        if (old !== undefined) await discard(to);
        await (options.isBottom ? unlink(from) : rename(from, to));
      } else if (stat.isDirectory() && old?.isDirectory() && !isOpaque(from)) {
        await foldDirectory(from, to);
        await rmdir(from);
      } else {
        // What stood in the way also hid what lies further down.
        if (stat.isDirectory() && old?.isDirectory() === false && !options.isBottom)
          lsetxattr(from, OPAQUE, YES);
        if (old !== undefined) await discard(to);
        if (stat.isDirectory() && options.isBottom && isOpaque(from)) lremovexattr(from, OPAQUE);
        await rename(from, to);
      }
    }
    copyAttributes(above, below);
    // What was taken out of it changed its own time.
    utimensNs(below, mtimeNs, mtimeNs);
  }
}

/** An overlay's mark that nothing is there: a character device 0:0. */
function isWhiteout(stat: Stats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0;
}

function isOpaque(path: Buffer): boolean {
  return Buffer.from(lgetxattr(path, OPAQUE) ?? []).equals(YES);
}

function copyAttributes(from: Buffer, to: Buffer): void {
  const kept = lgetxattrs(from);
  for (const name of lgetxattrs(to).keys())
    if (!kept.has(name) && !name.startsWith(OVERLAY_PREFIX)) lremovexattr(to, name);
  copyDirectoryAttributes(from, to);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
