import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { copyFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf, PlyError } from "../error.ts";

/** True where files of this directory can share their blocks until one of them changes (btrfs, xfs). */
export async function canShareBlocks(directory: string): Promise<boolean> {
  const [from, to] = [join(directory, ".share-probe"), join(directory, ".share-probe-2")];
  try {
    // Long enough to have blocks.
    await writeFile(from, Buffer.alloc(4096, 1));
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  } finally {
    for (const path of [from, to]) await rm(path, { force: true });
  }
}

/**
 * Copies a directory as it is: owners, times, extended attributes (overlayfs's too), devices, hard links, holes. Files share
 * their blocks where they can. `to` must not be there.
 */
export async function cloneTree(from: string, to: string): Promise<void> {
  try {
    await promisify(execFile)("cp", ["-a", "--reflink=auto", "--no-target-directory", "--", from, to]);
  } catch (error) {
    throw new PlyError("internal", `cannot copy ${from}: ${messageOf(error)}`, { cause: error });
  }
}
