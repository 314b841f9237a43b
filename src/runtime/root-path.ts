import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { PlyError } from "../error.ts";

/** As the kernel's own bound on links in one path (MAXSYMLINKS). */
const LINK_LIMIT = 40;

/**
 * Where a container's path is on the host, with links followed as a process inside would: never out of
 * `root`. What does not exist is appended as it is. Only good while nothing inside runs. Throws "invalid" on
 * endless links.
 */
export function resolveInRoot(root: string, path: string): string {
  const resolved: string[] = [];
  const todo = path.split("/").reverse();
  let links = 0;
  for (;;) {
    const part = todo.pop();
    if (part === undefined) break;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    const target = linkAt([root, ...resolved, part].join("/"));
    if (target === undefined) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > LINK_LIMIT)
      throw new PlyError("invalid", `too many symbolic links in ${path}`, { details: { path, root } });
    if (target.startsWith("/")) resolved.length = 0;
    todo.push(...target.split("/").reverse());
  }
  return [root, ...resolved].join("/");
}

function linkAt(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch {
    return undefined;
  }
}

/** The text of a regular file inside `root`; empty when there is none. Throws "limit" above `limit` bytes. */
export function readInRoot(root: string, path: string, limit: number): string {
  const resolved = resolveInRoot(root, path);
  // Not blocking: an image may have a fifo there.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let file: number;
  try {
    file = openSync(resolved, flags);
  } catch {
    return "";
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) return "";
    if (stat.size > limit)
      throw new PlyError("limit", `${path} in the image is larger than ${limit} bytes (${stat.size})`);
    return readFileSync(file).subarray(0, limit).toString("utf8");
  } finally {
    closeSync(file);
  }
}
