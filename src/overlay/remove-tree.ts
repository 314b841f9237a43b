import { spawn } from "node:child_process";
import { existsSync, lstatSync, opendirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { PlyError } from "../error.ts";
import { clearInodeFlags } from "../linux/index.ts";

/**
 * Removes a tree whatever a container made of it: immutable and append-only files, names that are no UTF-8,
 * directories nested beyond the longest path; and while others remove parts of it, for which `rm` would leave the rest
 * without a word (Bun 1.4, and Node's `rmSync`). Does not follow links. Nothing there is fine.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  } catch {
    // The odd cases follow.
  }
  clearFlagsBelow(Buffer.from(path));
  // GNU rm goes down by file descriptors, so no path is too long for it.
  await new Promise<void>((resolve, reject) => {
    const child = spawn("rm", ["-rf", "--one-file-system", "--", path], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 2000);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new PlyError("internal", `could not remove ${path}: ${said.trim()}`));
    });
  });
}

/** A directory that others still write to or clear away settles after a few attempts. */
const ATTEMPTS = 20;

/** The same at once, for a small directory of the engine's own files. */
export function removeSmallTree(path: string): void {
  for (let attempt = 1; ; attempt++)
    try {
      rmSync(path, { recursive: true, force: true });
      if (attempt === ATTEMPTS || !existsSync(path)) return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
}

function clearFlagsBelow(path: Buffer): void {
  try {
    const stats = lstatSync(path);
    if (!stats.isDirectory() && !stats.isFile()) return;
    clearInodeFlags(path);
    if (!stats.isDirectory()) return;
    const directory = opendirSync(path as unknown as string, { encoding: "buffer" as BufferEncoding });
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync())
        clearFlagsBelow(Buffer.concat([path, Buffer.from("/"), entry.name as unknown as Buffer]));
    } finally {
      directory.closeSync();
    }
  } catch {
    // Too deep or gone: rm says what is left.
  }
}
