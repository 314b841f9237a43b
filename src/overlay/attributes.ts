import { chmodSync, lchownSync, lstatSync } from "node:fs";
import { lgetxattrs, lsetxattr, type Path, utimensNs } from "../linux/index.ts";

/** Owner, mode, extended attributes (but overlayfs's own) and times of a directory, onto another. */
export function copyDirectoryAttributes(from: Path, to: Path): void {
  const stats = lstatSync(asNodePath(from), { bigint: true });
  lchownSync(asNodePath(to), Number(stats.uid), Number(stats.gid));
  chmodSync(asNodePath(to), Number(stats.mode & 0o7777n));
  for (const [name, value] of lgetxattrs(from))
    if (!name.startsWith("trusted.overlay.")) lsetxattr(to, name, value);
  utimensNs(to, stats.mtimeNs, stats.mtimeNs);
}

/** Node takes text or Buffers, not every Uint8Array. */
function asNodePath(path: Path): string | Buffer {
  return typeof path === "string" || Buffer.isBuffer(path) ? path : Buffer.from(path);
}
