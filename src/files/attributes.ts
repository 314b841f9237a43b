import { failedWith, lgetxattrs, lsetxattr, type Path } from "../linux/index.ts";

const OVERLAY = /^(?:trusted|user)\.overlay\./;

/** Extended attributes that go with a file: not overlayfs's marks, not the labels of this host. */
export function portableXattrs(path: Path): ReadonlyMap<string, Uint8Array> {
  const all = lgetxattrs(path);
  if (all.size === 0) return all;
  return new Map([...all].filter(([name]) => isPortable(name)));
}

/** Sets what the filesystem and our rights allow; the rest is left out, as tar does. */
export function setXattrs(path: Path, xattrs: ReadonlyMap<string, Uint8Array>): void {
  for (const [name, value] of xattrs) {
    if (!isPortable(name)) continue;
    try {
      lsetxattr(path, name, value);
    } catch (error) {
      if (!["ENOTSUP", "EOPNOTSUPP", "EPERM", "EACCES"].some((code) => failedWith(error, code))) throw error;
    }
  }
}

function isPortable(name: string): boolean {
  if (OVERLAY.test(name)) return false;
  if (name.startsWith("user.") || name.startsWith("trusted.")) return true;
  return name === "security.capability" || name.startsWith("system.posix_acl_");
}
