import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { lgetxattrs } from "../../linux/index.ts";
import { joinPath } from "../path.ts";

/** Path below the root (a byte string; the root is "") → everything a program can see of it, as one line. */
export type TreeListing = Map<string, string>;

const SLASH = Buffer.from("/");

/**
 * All of a directory tree, entry by entry: type, mode, owner, mtime (ns), device, size, content hash, link target,
 * extended attributes, link count, and the first name of the inode (so that hard link groups compare).
 */
export function listTree(root: string): TreeListing {
  const listing: TreeListing = new Map();
  const firstNames = new Map<bigint, string>();
  const visit = (full: Buffer, path: string): void => {
    const stat = lstatSync(full, { bigint: true });
    const isDirectory = stat.isDirectory();
    const first = firstNames.get(stat.ino) ?? path;
    if (!isDirectory) firstNames.set(stat.ino, first);
    const xattrs = [...lgetxattrs(full)].sort(([a], [b]) => (a < b ? -1 : 1));
    const fields = [
      `mode ${stat.mode.toString(8)} owner ${stat.uid}:${stat.gid} mtime ${stat.mtimeNs} nlink ${stat.nlink}`,
      ...(isDirectory || first === path ? [] : [`same as ${first}`]),
      ...(stat.isCharacterDevice() || stat.isBlockDevice() ? [`device ${stat.rdev}`] : []),
      ...(stat.isSymbolicLink()
        ? [`to ${readlinkSync(full, { encoding: "buffer" }).toString("latin1")}`]
        : []),
      ...(stat.isFile() ? [`size ${stat.size} sha256 ${hashOf(full)}`] : []),
      ...xattrs.map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`),
    ];
    listing.set(path, fields.join(" "));
    if (!isDirectory) return;
    const names = readdirSync(full, { encoding: "buffer" }).map((name) => name.toString("latin1"));
    for (const name of names.sort())
      visit(Buffer.concat([full, SLASH, Buffer.from(name, "latin1")]), joinPath(path, name));
  };
  visit(Buffer.from(root), "");
  return listing;
}

function hashOf(path: Buffer): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(1 << 20);
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}
