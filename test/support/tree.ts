import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { lgetxattrs } from "../../src/linux/index.ts";

/** All that can be seen of one path, as text that compares. */
export interface SeenEntry {
  readonly type: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtimeNs: bigint;
  readonly size: bigint;
  /** sha256 of the content, target of a link, or device number. */
  readonly content: string;
  readonly xattrs: string;
  /** Link count; 0 for directories, which overlayfs counts its own way. */
  readonly nlink: bigint;
  /** First path (in byte order) of the same inode. */
  readonly sameAs: string;
}

export interface ReadTreeOptions {
  /** Paths (byte strings, relative) to leave out with all below them. */
  readonly without?: readonly string[];
  /** Hash file contents only up to this size. */
  readonly hashUpTo?: number;
}

const TYPES: Readonly<Record<number, string>> = {
  1: "fifo",
  2: "char",
  4: "directory",
  6: "block",
  8: "file",
  10: "symlink",
  12: "socket",
};

function hashOf(path: Buffer): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(1 << 20);
  const fd = openSync(path, "r");
  try {
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      hash.update(buffer.subarray(0, count));
  } finally {
    closeSync(fd);
  }
  return hash.digest("hex");
}

/** Reads a whole tree: relative byte-string path → what is there. The root is the empty path. */
export function readTree(root: string, options: ReadTreeOptions = {}): Map<string, SeenEntry> {
  const seen = new Map<string, SeenEntry>();
  const first = new Map<bigint, string>();
  const without = new Set(options.without);
  const visit = (path: string): void => {
    if (without.has(path)) return;
    const absolute = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
    const stat = lstatSync(absolute, { bigint: true });
    const type = TYPES[Number(stat.mode >> 12n)] ?? "?";
    const directory = type === "directory";
    if (!first.has(stat.ino)) first.set(stat.ino, path);
    let content = "";
    if (type === "file" && stat.size <= BigInt(options.hashUpTo ?? Number.MAX_SAFE_INTEGER))
      content = hashOf(absolute);
    else if (type === "symlink") content = readlinkSync(absolute, { encoding: "buffer" }).toString("latin1");
    else if (type === "char" || type === "block") content = String(stat.rdev);
    const xattrs = [...lgetxattrs(absolute)]
      .filter(([name]) => !name.startsWith("trusted.overlay.") && !name.startsWith("user.umoci"))
      .map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`)
      .sort()
      .join(",");
    seen.set(path, {
      type,
      mode: (stat.mode & 0o7777n).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      mtimeNs: stat.mtimeNs,
      size: directory ? 0n : stat.size,
      content,
      xattrs,
      nlink: directory ? 0n : stat.nlink,
      sameAs: directory ? path : (first.get(stat.ino) ?? path),
    });
    if (!directory) return;
    const names = readdirSync(absolute, { encoding: "buffer" })
      .map((name) => name.toString("latin1"))
      .sort();
    for (const name of names) visit(path === "" ? name : `${path}/${name}`);
  };
  visit("");
  return seen;
}

/** Every difference between two trees, in words; `ignoreMtime` names paths whose time is nobody's promise. */
export function differences(
  left: ReadonlyMap<string, SeenEntry>,
  right: ReadonlyMap<string, SeenEntry>,
  ignoreMtime: (path: string) => boolean = () => false,
): string[] {
  const found: string[] = [];
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const a = left.get(path);
    const b = right.get(path);
    if (a === undefined || b === undefined) {
      found.push(`${JSON.stringify(path)}: only on the ${a === undefined ? "right" : "left"}`);
      continue;
    }
    for (const key of Object.keys(a) as (keyof SeenEntry)[]) {
      if (key === "mtimeNs" && ignoreMtime(path)) continue;
      if (a[key] !== b[key]) found.push(`${JSON.stringify(path)}: ${key} ${a[key]} ≠ ${b[key]}`);
    }
  }
  return found;
}
