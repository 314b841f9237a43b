import type { BigIntStats } from "node:fs";
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { PlyError, throwIfAborted } from "../error.ts";
import { isGone, lgetxattrs } from "../linux/index.ts";
import { NO_XATTRS, quoteBytes } from "../tar/index.ts";
import { sameXattrs } from "./changes.ts";
import { WHITEOUT_PREFIX } from "./from-tar.ts";
import { joinPath, nameOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";

const NANOS = 1_000_000_000n;
const SLASH = Buffer.from("/");
/** overlayfs uses `user.` where it was mounted with `userxattr`. */
const OVERLAY_PREFIXES = ["trusted.overlay.", "user.overlay."] as const;

/** What an overlayfs upper directory says about one path. */
export interface UpperItem {
  /** A byte string; the root is "". */
  readonly path: string;
  /**
   * whiteout: the path is gone. opaque: nothing from below shows in this directory (comes right after its
   * entry). hidden: overlayfs shows the name, but no layer can hold it (a socket; a name that begins with `.wh.`, with
   * all that is below it).
   */
  readonly kind: "entry" | "whiteout" | "opaque" | "hidden";
  /** The real path, as bytes. */
  readonly full: Buffer;
  readonly stat: BigIntStats;
  /** What a layer keeps: no overlay marks, no labels of this host. Empty unless an entry. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** What the layers below have at this path; undefined also below an opaque directory. */
  readonly base: TreeNode | undefined;
}

/** A path still to visit. */
interface Todo {
  readonly path: string;
  /** Where the strata have it, top first. */
  readonly places: readonly Buffer[];
  readonly base: TreeNode | undefined;
  /** The directory it lies in holds whiteouts in the form of extended attributes (`opaque` = `x`). */
  readonly mayBeXattrWhiteout: boolean;
}

/** An upper directory, or several over one another, top first. */
export type UpperDirs = string | readonly string[];

/**
 * Visits an upper directory, a directory before what is in it, names in byte order; `base` is the union below it.
 * Several are visited as if they were one, which would show the same.
 * Paths that vanish meanwhile are passed over. Whiteouts of what is not there below are left out, and so are opaque
 * marks that hide nothing. Throws "unsupported" for directories moved by reference (redirect_dir) and files whose
 * content is still below (metacopy): our overlays are mounted without.
 */
export function* walkUpper(
  upperDirs: UpperDirs,
  base: TreeNode | null,
  signal?: AbortSignal,
): Generator<UpperItem, void> {
  const places = [upperDirs].flat().map((path) => Buffer.from(path));
  const todo: Todo[] = [{ path: "", places, base: base ?? undefined, mayBeXattrWhiteout: false }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    throwIfAborted(signal);
    const found = look(next);
    if (found === undefined) continue;
    const { full, stat, all } = found;
    const { path } = next;
    if (isWhiteout(stat, all, next.mayBeXattrWhiteout)) {
      if (next.base !== undefined)
        yield { path, full, base: next.base, kind: "whiteout", stat, xattrs: NO_XATTRS };
      continue;
    }
    refuseReferences(path, all);
    const item = { path, full, stat, base: next.base, xattrs: keptXattrs(all) };
    const isHidden = stat.isSocket() || nameOf(path).startsWith(WHITEOUT_PREFIX);
    yield { ...item, kind: isHidden ? "hidden" : "entry" };
    if (isHidden || !stat.isDirectory()) continue;
    const { directories, isOpaque, mayBeXattrWhiteout } = mergedAt(next.places);
    const below = next.base?.type === "directory" ? next.base : undefined;
    if (isOpaque && below !== undefined && below.children !== null && below.children.size > 0)
      yield { ...item, kind: "opaque", xattrs: NO_XATTRS };
    const children = isOpaque ? undefined : below?.children;
    const names = namesIn(directories);
    for (const [name, holders] of [...names].sort(([a], [b]) => (a < b ? 1 : -1)))
      todo.push({
        path: joinPath(path, name),
        places: holders.map((directory) => Buffer.concat([directory, SLASH, Buffer.from(name, "latin1")])),
        base: children?.get(name),
        mayBeXattrWhiteout,
      });
  }
}

/** True when an entry shows nothing that the layers below do not show: a directory copied up for its children's sake. */
export function isSameDirectory(item: UpperItem): boolean {
  const { base, stat } = item;
  if (base?.type !== "directory" || !stat.isDirectory() || !hasAttributesOf(stat, base)) return false;
  const { mtimeSeconds, mtimeNanos } = mtimeOf(stat);
  const isSameTime = mtimeSeconds === base.mtimeSeconds && mtimeNanos === base.mtimeNanos;
  return isSameTime && sameXattrs(item.xattrs, keptXattrs(base.xattrs));
}

/** True when mode and owner are those of the node. */
export function hasAttributesOf(stat: BigIntStats, node: TreeNode): boolean {
  return (
    Number(stat.mode & 0o7777n) === node.mode &&
    Number(stat.uid) === node.uid &&
    Number(stat.gid) === node.gid
  );
}

/** Seconds (floor) and nanoseconds of a stat's mtime. */
export function mtimeOf(stat: BigIntStats): { readonly mtimeSeconds: number; readonly mtimeNanos: number } {
  const nanos = ((stat.mtimeNs % NANOS) + NANOS) % NANOS;
  return { mtimeSeconds: Number((stat.mtimeNs - nanos) / NANOS), mtimeNanos: Number(nanos) };
}

/** Major and minor as Linux splits a 64-bit st_rdev. */
export function deviceOf(stat: BigIntStats): { readonly major: number; readonly minor: number } {
  const { rdev } = stat;
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)),
  };
}

/** A symlink's target as a byte string. */
export function targetOf(full: Buffer): string {
  return readlinkSync(full, { encoding: "buffer" }).toString("latin1");
}

/** Undefined when the path has vanished. */
export function unlessGone<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function look({ places: [full] }: Todo) {
  if (full === undefined) return undefined;
  return unlessGone(() => ({ full, stat: lstatSync(full, { bigint: true }), all: lgetxattrs(full) }));
}

/** The directories that make up the one at these places, and whether they hide what is below the last stratum. */
function mergedAt(places: readonly Buffer[]) {
  const directories: Buffer[] = [];
  let isOpaque = false;
  let mayBeXattrWhiteout = false;
  for (const place of places) {
    const stat = unlessGone(() => lstatSync(place));
    const opaque = stat?.isDirectory() ? overlayMark(lgetxattrs(place), "opaque") : undefined;
    if (stat?.isDirectory()) directories.push(place);
    if (opaque === "x") mayBeXattrWhiteout = true;
    isOpaque = opaque === "y" || !stat?.isDirectory();
    if (isOpaque) break;
  }
  return { directories, isOpaque, mayBeXattrWhiteout };
}

/** Each name in the directories, a byte string, with those that have it. */
function namesIn(directories: readonly Buffer[]): Map<string, Buffer[]> {
  const names = new Map<string, Buffer[]>();
  for (const directory of directories)
    for (const bytes of unlessGone(() => readdirSync(directory, { encoding: "buffer" })) ?? []) {
      const name = bytes.toString("latin1");
      const holders = names.get(name);
      if (holders === undefined) names.set(name, [directory]);
      else holders.push(directory);
    }
  return names;
}

function isWhiteout(stat: BigIntStats, all: ReadonlyMap<string, Uint8Array>, mayBeXattr: boolean): boolean {
  if (stat.isCharacterDevice() && stat.rdev === 0n) return true;
  return mayBeXattr && stat.isFile() && stat.size === 0n && overlayMark(all, "whiteout") !== undefined;
}

function overlayMark(all: ReadonlyMap<string, Uint8Array>, name: string): string | undefined {
  for (const prefix of OVERLAY_PREFIXES) {
    const value = all.get(prefix + name);
    if (value !== undefined) return Buffer.from(value).toString("latin1");
  }
  return undefined;
}

function refuseReferences(path: string, all: ReadonlyMap<string, Uint8Array>): void {
  for (const mark of ["redirect", "metacopy"])
    if (overlayMark(all, mark) !== undefined)
      throw new PlyError(
        "unsupported",
        `${quoteBytes(path)} is only a reference to a lower layer (overlay.${mark}), which a layer cannot hold`,
        { hint: "mount the overlay with redirect_dir=off,metacopy=off" },
      );
}

/** What of a file's attributes belongs to the image: not overlayfs's marks, not this host's labels. */
export function keptXattrs(all: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  if (all.size === 0) return NO_XATTRS;
  const kept = new Map<string, Uint8Array>();
  for (const name of [...all.keys()].sort()) {
    const value = all.get(name);
    if (value !== undefined && belongsToImage(name)) kept.set(name, value);
  }
  return kept;
}

function belongsToImage(name: string): boolean {
  if (OVERLAY_PREFIXES.some((prefix) => name.startsWith(prefix))) return false;
  if (name.startsWith("user.") || name.startsWith("trusted.")) return true;
  return name === "security.capability" || name.startsWith("system.posix_acl_");
}
