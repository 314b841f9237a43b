import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import type { TreeNode } from "../../layer/index.ts";
import { lgetxattrs } from "../../linux/index.ts";

/** One line per path (a byte string) that says all that must be the same in every driver. */
export type Scan = Map<string, string>;

interface Facts {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly size: bigint;
  readonly links: number;
  readonly rdev: string;
  readonly target: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly content: string;
}

function line(facts: Facts): string {
  const xattrs = [...facts.xattrs]
    .filter(([name]) => !name.startsWith("trusted.overlay."))
    .filter(([name]) => !name.startsWith("user.") || facts.type === "file" || facts.type === "directory")
    .map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`)
    .sort();
  return [
    facts.type,
    facts.mode.toString(8),
    `${facts.uid}:${facts.gid}`,
    `mtime=${facts.mtimeNs}`,
    `size=${facts.size}`,
    `links=${facts.links}`,
    facts.rdev,
    facts.target === "" ? "" : `-> ${facts.target}`,
    facts.content,
    ...xattrs,
  ].join(" ");
}

const contentHash = (): ReturnType<typeof createHash> => createHash("sha256");

/** What a mounted tree shows. Goes down through open directories, so no path is too long. */
export function scanMount(path: string, options: { readonly contents?: boolean } = {}): Scan {
  const scan: Scan = new Map();
  const readContent = options.contents ?? true;
  const visit = (place: Buffer, name: string) => {
    const stats = lstatSync(place, { bigint: true });
    const type = typeOf(Number(stats.mode));
    scan.set(
      name,
      line({
        type,
        mode: Number(stats.mode) & 0o7777,
        uid: Number(stats.uid),
        gid: Number(stats.gid),
        mtimeNs: stats.mtimeNs,
        size: type === "file" || type === "symlink" ? stats.size : 0n,
        links: type === "directory" ? 0 : Number(stats.nlink),
        rdev: type === "char" || type === "block" ? `rdev=${stats.rdev}` : "",
        target: type === "symlink" ? (readlinkSync(place, { encoding: "latin1" }) as string) : "",
        xattrs: lgetxattrs(place),
        content: type === "file" && readContent ? hashFile(place) : "",
      }),
    );
    if (type !== "directory") return;
    const fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      fstatSync(fd);
      const here = Buffer.from(`/proc/self/fd/${fd}/`);
      for (const child of readdirSync(here, { encoding: "buffer" }).sort(Buffer.compare))
        visit(
          Buffer.concat([here, child]),
          name === "" ? child.toString("latin1") : `${name}/${child.toString("latin1")}`,
        );
    } finally {
      closeSync(fd);
    }
  };
  visit(Buffer.from(path), "");
  return scan;
}

/** What a union must look like; `read` gives the bytes of a layer's tar. */
export function scanUnion(
  root: TreeNode,
  read: (device: number, offset: number, length: number) => Uint8Array,
): Scan {
  const links = new Map<TreeNode, number>();
  const count = (directory: TreeNode) => {
    for (const child of directory.children?.values() ?? []) {
      links.set(child, (links.get(child) ?? 0) + 1);
      if (child.children !== null) count(child);
    }
  };
  count(root);
  const scan: Scan = new Map();
  const visit = (node: TreeNode, name: string) => {
    const isDevice = node.type === "char" || node.type === "block";
    const size = node.type === "file" ? node.size : node.type === "symlink" ? node.linkTarget.length : 0;
    scan.set(
      name,
      line({
        type: node.type,
        mode: node.type === "symlink" ? 0o777 : node.mode,
        uid: node.uid,
        gid: node.gid,
        mtimeNs: BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanos),
        size: BigInt(size),
        links: node.type === "directory" ? 0 : (links.get(node) ?? 1),
        rdev: isDevice ? `rdev=${deviceNumber(node.rdevMajor, node.rdevMinor)}` : "",
        target: node.type === "symlink" ? node.linkTarget : "",
        xattrs: node.xattrs,
        content: node.type === "file" ? hashNode(node, read) : "",
      }),
    );
    for (const [child, below] of [...(node.children ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
      visit(below, name === "" ? child : `${name}/${child}`);
  };
  visit(root, "");
  return scan;
}

/** glibc's makedev(). */
function deviceNumber(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffn) << 8n) | ((a & ~0xfffn) << 32n) | (b & 0xffn) | ((b & ~0xffn) << 12n);
}

function typeOf(mode: number): string {
  switch (mode & 0o170000) {
    case 0o100000:
      return "file";
    case 0o040000:
      return "directory";
    case 0o120000:
      return "symlink";
    case 0o020000:
      return "char";
    case 0o060000:
      return "block";
    case 0o010000:
      return "fifo";
    default:
      return "socket";
  }
}

const CHUNK = 1024 * 1024;

function hashFile(place: Buffer): string {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const hash = contentHash();
    const buffer = Buffer.alloc(CHUNK);
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer))
      hash.update(buffer.subarray(0, read));
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

function hashNode(
  node: TreeNode,
  read: (device: number, offset: number, length: number) => Uint8Array,
): string {
  const hash = contentHash();
  const zeros = (length: number) => {
    for (let left = length; left > 0; left -= CHUNK) hash.update(Buffer.alloc(Math.min(CHUNK, left)));
  };
  let at = 0;
  if (node.data !== null) {
    let place = node.data.offset;
    for (const run of node.data.extents ?? [{ offset: 0, length: node.size }]) {
      zeros(run.offset - at);
      hash.update(read(node.data.device, place, run.length));
      place += run.length;
      at = run.offset + run.length;
    }
  }
  zeros(node.size - at);
  return hash.digest("hex");
}
