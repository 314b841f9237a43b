import { PlyError } from "../error.ts";
import { quoteBytes } from "../tar/index.ts";

/** Longest component of a path, in bytes: what Linux filesystems and EROFS take. */
export const MAX_NAME_LENGTH = 255;
/** Longest path within a layer, in bytes. Linux takes 4,095 in one call, counted from where one stands. */
export const MAX_PATH_LENGTH = 4096;
/** Longest symlink target, in bytes (PATH_MAX without its NUL). */
export const MAX_TARGET_LENGTH = 4095;

// Already clean: no empty, "." or ".." component, no slash at an end, no NUL.
const CLEAN = /^(?!\.{1,2}(?:\/|$))[^/\0]+(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)*$/;

/** True for a path as {@link cleanPath} makes them; the root ("") is one. */
export function isCleanPath(path: string): boolean {
  return path === "" || (path.length <= MAX_PATH_LENGTH && CLEAN.test(path));
}

/**
 * A name of a tar archive as a path below the root: leading `/` and `./` go, `//` collapses, `.` drops,
 * an inner `a/../b` becomes `b` (by text, as Docker and umoci do). The root is "".
 * Throws "invalid" when `..` climbs above the root (Docker refuses this too, umoci stops at the root), or on
 * a NUL byte; "limit" for a name over 255 bytes or a path over 4,096.
 * `what` names the thing in errors: "entry", "hard link target of …".
 */
export function cleanPath(path: string, what: string): string {
  let clean = path;
  if (clean.endsWith("/")) clean = clean.slice(0, -1);
  if (clean.startsWith("./")) clean = clean.slice(2);
  if (!CLEAN.test(clean)) clean = cleanComponents(path, what);
  if (clean.length > MAX_PATH_LENGTH)
    throw new PlyError(
      "limit",
      `${what} ${quoteBytes(path)}: the path has ${clean.length} bytes, over ${MAX_PATH_LENGTH}`,
    );
  if (clean.length > MAX_NAME_LENGTH) checkNames(clean, path, what);
  return clean;
}

function cleanComponents(path: string, what: string): string {
  if (path.includes("\0"))
    throw new PlyError("invalid", `${what} ${quoteBytes(path)}: the name contains a NUL byte`);
  const kept: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") kept.push(name);
    else if (kept.pop() === undefined)
      throw new PlyError("invalid", `${what} ${quoteBytes(path)} climbs above the root`, {
        hint: "the layer is broken or hostile; do not use this image",
      });
  }
  return kept.join("/");
}

function checkNames(clean: string, path: string, what: string): void {
  for (let start = 0; start < clean.length; ) {
    const slash = clean.indexOf("/", start);
    const end = slash < 0 ? clean.length : slash;
    if (end - start > MAX_NAME_LENGTH)
      throw new PlyError(
        "limit",
        `${what} ${quoteBytes(path)}: a name of ${end - start} bytes, over ${MAX_NAME_LENGTH}`,
      );
    start = end + 1;
  }
}

/** The directory part: "" for what lies in the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last component. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Joins a directory ("" is the root) and a name. */
export function joinPath(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}
