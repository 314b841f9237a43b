import { statSync } from "node:fs";
import { PlyError } from "../error.ts";

/** The numbers of a block device. Throws "invalid" when the path is none. */
export function blockDevice(path: string): { readonly major: number; readonly minor: number } {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new PlyError("invalid", `no such device: ${path}: no such file or directory`);
  if (!stats.isBlockDevice()) throw new PlyError("invalid", `${path} is not a block device`);
  return decodeDevice(stats.rdev);
}

/** glibc's 64-bit dev_t, whose low 32 bits are the kernel's. */
export function decodeDevice(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
