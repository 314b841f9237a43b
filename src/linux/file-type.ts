import type { BigIntStats } from "node:fs";
import { codeOf, isPlyError } from "../error.ts";

/** What the stat is of, in our words. */
export function fileTypeOf(
  stat: BigIntStats,
): "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket" {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isCharacterDevice()) return "char";
  if (stat.isBlockDevice()) return "block";
  return stat.isFIFO() ? "fifo" : "socket";
}

/** True when a call failed since the file is not there any more. */
export function isGone(error: unknown): boolean {
  return isPlyError(error, "not-found") || codeOf(error) === "ENOENT";
}
