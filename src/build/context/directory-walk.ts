import { closeSync, constants, openSync, readdirSync, readlinkSync, statfsSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IgnoreFile } from "../../dockerfile/index.ts";
import type { TreeNode } from "../../layer/index.ts";
import { type FileLook, type FileRoll, type FileStamp, type FileState, fileRoll } from "../../linux/index.ts";
import { shownPath } from "../../tar/index.ts";
import type { FileDigests, HashedFile } from "./file-digests.ts";
import { newNode } from "./file-tree.ts";

const O_PATH = 0o10000000;
/** Others get their turn after so long. */
export const TURN_MS = 10;

/**
 * Filesystems of this kernel alone, whose directories and files get another change time with every change (magic numbers
 * of statfs(2)): ext2 to ext4, XFS, Btrfs, F2FS, bcachefs, ZFS, tmpfs, overlayfs. What others tell, NFS and FUSE among
 * them, may be old or made up.
 */
const RELIABLE: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0xca451a4e, 0x2fc12fc1, 0x01021994, 0x794c7630,
]);

const KINDS: ReadonlyMap<number, TreeNode["type"]> = new Map([
  [constants.S_IFDIR, "directory"],
  [constants.S_IFREG, "file"],
  [constants.S_IFLNK, "symlink"],
  [constants.S_IFIFO, "fifo"],
]);

/** A walk through a directory of this host and all below it. */
export interface Walk {
  readonly look: FileLook;
  /** First nodes of files with several names. */
  readonly inodes: Map<string, TreeNode>;
  /** What each file was when it was looked at; where its digest is known, as it is remembered. */
  readonly stamps: WeakMap<TreeNode, FileStamp | HashedFile>;
  readonly ignore: IgnoreFile | undefined;
  readonly digests: FileDigests | undefined;
  /** A later walk will want to know what this one saw. */
  readonly remembers: boolean;
  /** Seconds since 1970: what changed later may change again without a sign. */
  readonly settledBefore: number;
  /** By device, whether change times can be relied on. */
  readonly reliable: Map<number, boolean>;
  /** When others are to get their turn. */
  turnAt: number;
  /** Files that were looked at. */
  count: number;
}

/** A directory as a walk saw it, with all below it. */
export interface SeenDirectory {
  readonly node: TreeNode;
  /** By which it is seen that nothing has changed; absent: it is looked through anew. */
  readonly unchanged: Unchanged | undefined;
  /** In it, also those that are left out because nothing in them is kept. */
  readonly below: readonly SeenBelow[];
}

interface SeenBelow {
  readonly name: string;
  readonly given: string | Buffer;
  readonly isIgnored: boolean;
  readonly seen: SeenDirectory;
}

interface Unchanged {
  /** Of the directory: while it is the same, so are the names in it. */
  readonly state: FileState;
  readonly files: FileRoll;
  /** Files with several names. */
  readonly shared: readonly (readonly [inode: string, node: TreeNode])[];
}

/** A directory that is walked. */
interface Place {
  /** Text where all of its names are; else bytes. */
  readonly full: string | Buffer;
  /** From where the walk began. */
  readonly path: string;
}

/** `before`: what an earlier walk saw there. The same comes back when all of it is unchanged. */
export async function walkDirectory(
  walk: Walk,
  place: Place,
  before: SeenDirectory | undefined,
): Promise<SeenDirectory> {
  if (performance.now() > walk.turnAt) {
    await nextTurn();
    walk.turnAt = performance.now() + TURN_MS;
  }
  if (before?.unchanged === undefined || !isUnchanged(walk, place, before.unchanged))
    return await lookThrough(walk, place, before);
  const below: SeenBelow[] = [];
  let isSame = true;
  for (const each of before.below) {
    const seen = await walkDirectory(walk, placeBelow(place, each), each.seen);
    if (seen !== each.seen) isSame = false;
    below.push(seen === each.seen ? each : { ...each, seen });
  }
  if (isSame) return before;
  const files = [...(before.node.children ?? [])].filter(([, { children }]) => children === null);
  return { ...before, node: { ...before.node, children: childrenOf(files, below) }, below };
}

/** Whether a directory and the files in it are what they were; what lies deeper is not looked at. */
function isUnchanged(walk: Walk, { full, path }: Place, known: Unchanged): boolean {
  const { look, inodes } = walk;
  const { state, files, shared } = known;
  if (files.starts.length === 0) {
    look.at(full);
    return look.isAs(state);
  }
  const descriptor = openDirectory(full, path);
  try {
    look.of(descriptor);
    if (!look.isAs(state) || !look.areAs(files, descriptor)) return false;
  } finally {
    closeSync(descriptor);
  }
  // Another name may have been looked at anew: all names of a file are one node.
  if (shared.some(([inode, node]) => (inodes.get(inode) ?? node) !== node)) return false;
  for (const [inode, node] of shared) inodes.set(inode, node);
  walk.count += files.starts.length;
  return true;
}

/** Looks at everything in a directory, and walks what is below. */
async function lookThrough(
  walk: Walk,
  place: Place,
  before: SeenDirectory | undefined,
): Promise<SeenDirectory> {
  const { node, files, directories, unchanged } = looked(walk, place);
  const known = new Map(before?.below.map(({ name, seen }) => [name, seen]));
  const below: SeenBelow[] = [];
  for (const each of directories)
    below.push({ ...each, seen: await walkDirectory(walk, placeBelow(place, each), known.get(each.name)) });
  node.children = childrenOf(files, below);
  return { node, unchanged, below };
}

/** A directory without what lies deeper. */
interface Looked {
  readonly node: TreeNode;
  readonly files: readonly (readonly [name: string, node: TreeNode])[];
  readonly directories: readonly Omit<SeenBelow, "seen">[];
  readonly unchanged: Unchanged | undefined;
}

function looked(walk: Walk, { full, path }: Place): Looked {
  const { look, ignore, inodes, settledBefore } = walk;
  const files: [name: string, node: TreeNode][] = [];
  const directories: Omit<SeenBelow, "seen">[] = [];
  const roll: { readonly name: string | Buffer; readonly state: FileState }[] = [];
  const shared: [inode: string, node: TreeNode][] = [];
  // Relative to the open directory, each look has one name to go.
  const descriptor = openDirectory(full, path);
  try {
    look.of(descriptor);
    const node = nodeOf(look, "directory", "");
    const state = look.state();
    let isSettled = walk.remembers && look.changedSeconds < settledBefore && isReliable(walk, full);
    for (const given of namesIn(full)) {
      const name = typeof given === "string" ? given : given.toString("latin1");
      const shown = ignore === undefined ? "" : shownPath(pathBelow(path, name));
      const isIgnored = ignore?.isIgnored(shown) ?? false;
      if (isIgnored && !ignore?.mayKeepBelow(shown)) continue;
      look.at(given, descriptor);
      const type = KINDS.get(look.mode & constants.S_IFMT);
      if (type === "directory") directories.push({ name, given, isIgnored });
      if (type === undefined || type === "directory" || isIgnored) continue;
      walk.count++;
      if (look.changedSeconds >= settledBefore) isSettled = false;
      if (isSettled) roll.push({ name: given, state: look.state() });
      const inode = look.links > 1 ? `${look.device}:${look.inodeHigh}:${look.inodeLow}` : "";
      const file = inodes.get(inode) ?? fileOf(walk, type, () => childOf(full, given));
      files.push([name, file]);
      if (inode === "") continue;
      inodes.set(inode, file);
      shared.push([inode, file]);
    }
    // The names were read by path: it must have led to the same directory.
    if (isSettled) look.at(full);
    const isKnown = isSettled && look.isAs(state);
    return {
      node,
      files,
      directories,
      unchanged: isKnown ? { state, files: fileRoll(roll), shared } : undefined,
    };
  } finally {
    closeSync(descriptor);
  }
}

/** Of what was looked at last. */
function fileOf(
  { look, stamps, digests }: Walk,
  type: TreeNode["type"],
  full: () => string | Buffer,
): TreeNode {
  const target = type === "symlink" ? readlinkSync(full(), { encoding: "buffer" }).toString("latin1") : "";
  const node = nodeOf(look, type, target);
  if (type === "file") stamps.set(node, digests?.get(look) ?? look.stamp());
  return node;
}

function nodeOf(look: FileLook, type: TreeNode["type"], linkTarget: string): TreeNode {
  return newNode({
    type,
    mode: look.mode & 0o7777,
    mtimeSeconds: look.modifiedSeconds,
    mtimeNanos: look.modifiedNanos,
    size: type === "file" ? look.size : 0,
    linkTarget,
  });
}

/** In the order of bytes, which is what names are. */
function childrenOf(
  files: readonly (readonly [name: string, node: TreeNode])[],
  below: readonly SeenBelow[],
): Map<string, TreeNode> {
  const directories = below
    .filter(({ isIgnored, seen }) => !isIgnored || (seen.node.children?.size ?? 0) > 0)
    .map(({ name, seen }) => [name, seen.node] as const);
  const all = [...files, ...directories];
  return new Map(all.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function isReliable({ look, reliable }: Walk, full: string | Buffer): boolean {
  const { device } = look;
  const known = reliable.get(device) ?? RELIABLE.has(statfsSync(full).type);
  reliable.set(device, known);
  return known;
}

/** What the walk began at may be a link, nothing below it. */
function openDirectory(full: string | Buffer, path: string): number {
  const follows = path === "" ? 0 : constants.O_NOFOLLOW;
  return openSync(full, O_PATH | constants.O_DIRECTORY | follows);
}

function placeBelow({ full, path }: Place, { name, given }: Pick<SeenBelow, "name" | "given">): Place {
  return { full: childOf(full, given), path: pathBelow(path, name) };
}

function pathBelow(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

function childOf(full: string | Buffer, name: string | Buffer): string | Buffer {
  if (typeof full === "string" && typeof name === "string") return `${full}/${name}`;
  return Buffer.concat([Buffer.from(full), SLASH, Buffer.from(name)]);
}

/** What is in a directory, in the order of bytes; text when all of it is ASCII. */
function namesIn(full: string | Buffer): (string | Buffer)[] {
  const names = readdirSync(full);
  return names.every((name) => ASCII.test(name))
    ? names.sort()
    : readdirSync(full, { encoding: "buffer" }).sort(Buffer.compare);
}

const ASCII = /^[\0-\x7f]*$/;
const SLASH = Buffer.from("/");
