import { constants } from "node:fs";
import type { IgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import type { TreeNode } from "../../layer/index.ts";
import { openFileLook } from "../../linux/index.ts";
import { TURN_MS, type Walk, walkDirectory } from "./directory-walk.ts";
import { readingBelow } from "./file-content.ts";
import type { FileDigests } from "./file-digests.ts";
import type { FilePool } from "./file-pool.ts";
import type { FileTree } from "./file-tree.ts";
import type { SeenTrees } from "./host-memory.ts";

/** A file younger than this when it was looked at may change again within the same tick of its clock. */
const SETTLED_MS = 2000;

export interface DirectoryTreeOptions {
  /** What is left out is not read. */
  readonly ignore?: IgnoreFile;
  /** Digests that are known already. */
  readonly digests?: FileDigests;
  /** Directories as earlier builds saw them. */
  readonly trees?: SeenTrees;
  /** Contents that were written down already, for mounts. */
  readonly pool?: FilePool;
  /** Milliseconds since 1970; the present when absent. */
  readonly now?: number;
}

/**
 * A directory of this host as a tree, looked at now; contents are read when they are asked for. Whose the files are here
 * means nothing elsewhere: they belong to root. Sockets and devices are left out. Nobody may change the tree's nodes:
 * what is unchanged is the next tree's as well.
 */
export async function directoryTree(
  directory: string,
  options: DirectoryTreeOptions = {},
): Promise<FileTree> {
  const { digests, pool, trees, ignore } = options;
  const walk: Walk = {
    look: openFileLook(),
    inodes: new Map(),
    stamps: trees?.stamps ?? new WeakMap(),
    ignore,
    digests,
    remembers: trees !== undefined,
    settledBefore: Math.floor(((options.now ?? Date.now()) - SETTLED_MS) / 1000),
    reliable: new Map(),
    turnAt: performance.now() + TURN_MS,
    count: 0,
  };
  walk.look.at(directory);
  const { device, inodeHigh, inodeLow } = walk.look;
  if ((walk.look.mode & constants.S_IFMT) !== constants.S_IFDIR)
    throw new PlyError("invalid", `${directory} is not a directory`);
  const rules = ignore?.rules.map(({ text }) => text) ?? [];
  const id = JSON.stringify([device, inodeHigh, inodeLow, ...rules]);
  const seen = await walkDirectory(walk, { full: directory, path: "" }, trees?.find(id));
  trees?.keep(id, seen, walk.count);
  const content = readingBelow(directory, { looked: walk });
  const stampOfSettled = (node: TreeNode): string | undefined => {
    const stamp = walk.stamps.get(node);
    if (stamp === undefined || stamp.changedSeconds >= walk.settledBefore) return undefined;
    const { device, inodeHigh, inodeLow, size, changedSeconds, changedNanos } = stamp;
    return [device, inodeHigh, inodeLow, size, changedSeconds, changedNanos].join(":");
  };
  return {
    root: seen.node,
    read: content.read,
    ...(pool === undefined
      ? {}
      : { pack: (path, node) => pool.pack({ tree: content, path, node }, stampOfSettled) }),
    digestOf(path, node) {
      const stamp = walk.stamps.get(node);
      if (digests === undefined || stamp === undefined) return content.digestOf(path, node);
      const known = "digest" in stamp ? stamp : digests.get(stamp);
      if (known !== undefined) return known.digest;
      const remember = (digest: string): string => {
        if (stamp.changedSeconds < walk.settledBefore) walk.stamps.set(node, digests.put(stamp, digest));
        return digest;
      };
      const digest = content.digestOf(path, node);
      return typeof digest === "string" ? remember(digest) : digest.then(remember);
    },
  };
}
