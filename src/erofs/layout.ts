import { PlyError } from "../error.ts";
import {
  alignUp,
  DIRENT_LENGTH,
  EXTENDED_LENGTH,
  LAYOUT,
  type Layout,
  MAX_NAME_LENGTH,
  SLOT_LENGTH,
} from "./format.ts";
import type { ErofsData, ErofsNode } from "./node.ts";
import { type ChunkPlan, planChunks } from "./sparse.ts";
import { xattrBodyLength } from "./xattr.ts";

export const BLOCK_BITS = 9;
export const BLOCK_LENGTH = 512;

/** Indexes and copied pieces of all sparse files together; they are held in memory and written into the image. */
const MAX_SPARSE = 128 * 1024 * 1024;
const INDEX_ENTRY_LENGTH = 4;

/** An inode with its place. */
export interface PlacedInode {
  readonly node: ErofsNode;
  /** From 1 in order of placement. */
  readonly serial: number;
  /** Inode number: slots of 32 bytes from the start of the inode area. */
  nid: number;
  readonly layout: Layout;
  /** Bytes of the body: what `i_size` says. */
  readonly size: number;
  readonly xattrLength: number;
  /** Whole blocks in the block area from `firstBlock` (counted from the area's start) on. */
  readonly blocks: number;
  firstBlock: number;
  nlink: number;
  readonly chunks: ChunkPlan | undefined;
  /** Of a directory: all names with `.` and `..` in byte order, and what each one is. */
  readonly names: readonly string[];
  readonly targets: PlacedInode[];
  /** The children, in the order of their names. */
  readonly nodes: readonly ErofsNode[];
}

export interface ErofsLayout {
  /** The first is the root's. */
  readonly inodes: readonly PlacedInode[];
  /** Bytes of the inode area, a multiple of the block size. */
  readonly inodeArea: number;
  /** Blocks behind it: whole blocks of directories and long symlinks, then copied pieces of sparse files. */
  readonly bodyBlocks: number;
  readonly copyBlocks: number;
  readonly isChunked: boolean;
}

const NO_NAMES: readonly string[] = [];
const NO_TARGETS: PlacedInode[] = [];
const NO_NODES: readonly ErofsNode[] = [];

/**
 * The first pass: gives every inode and every body its place. The order is fixed by the tree: a directory's
 * children lie next to each other in byte order, then come the children of its first subdirectory, and so on.
 * Throws "invalid" for a tree that cannot be (a directory twice, bad names, data off the grid), "limit".
 */
export function layOut(root: ErofsNode, deviceSizes: readonly number[]): ErofsLayout {
  const inodes: PlacedInode[] = [];
  const known = new Map<ErofsNode, PlacedInode>();
  // nid 0 stays free: some readdir implementations drop it.
  let end = SLOT_LENGTH;
  let bodyBlocks = 0;
  let copied = 0;
  let indexed = 0;
  let isChunked = false;

  const place = (node: ErofsNode, name: string): PlacedInode => {
    const inode = describe(node, name, inodes.length + 1, deviceSizes);
    const tail = tailLength(inode);
    let start = end;
    const bodyAt = (start + EXTENDED_LENGTH + inode.xattrLength) % BLOCK_LENGTH;
    if (inode.layout === LAYOUT.flatInline && bodyAt + tail > BLOCK_LENGTH)
      // To the next place where the tail does not cross a block's end; describe() made sure there is one.
      start += alignUp(BLOCK_LENGTH - bodyAt, SLOT_LENGTH);
    inode.nid = start / SLOT_LENGTH;
    end = alignUp(start + EXTENDED_LENGTH + inode.xattrLength + tail, SLOT_LENGTH);
    inode.firstBlock = bodyBlocks;
    bodyBlocks += inode.blocks;
    if (inode.chunks !== undefined) {
      isChunked = true;
      for (const chunk of inode.chunks.chunks)
        if (chunk.kind === "copy") copied += alignUp(chunk.length, BLOCK_LENGTH);
      indexed += tail;
      if (copied + indexed > MAX_SPARSE)
        throw new PlyError("limit", `the sparse files need over ${MAX_SPARSE} bytes of metadata`);
    }
    inodes.push(inode);
    known.set(node, inode);
    return inode;
  };

  const top = place(root, "/");
  const todo: [directory: PlacedInode, parent: PlacedInode][] = [[top, top]];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [directory, parent] = next;
    const subdirectories: PlacedInode[] = [];
    let child = 0;
    for (const name of directory.names) {
      if (name === "." || name === "..") {
        directory.targets.push(name === "." ? directory : parent);
        continue;
      }
      const node = directory.nodes[child++];
      if (node === undefined) throw new PlyError("internal", "a name without a node");
      let inode = known.get(node);
      if (inode === undefined) {
        inode = place(node, name);
        if (node.type === "directory") {
          subdirectories.push(inode);
          directory.nlink++;
        }
      } else if (node.type === "directory")
        throw new PlyError("invalid", `directory ${JSON.stringify(name)} is in the tree twice`);
      else inode.nlink++;
      directory.targets.push(inode);
    }
    for (let n = subdirectories.length - 1; n >= 0; n--) {
      const subdirectory = subdirectories[n];
      if (subdirectory !== undefined) todo.push([subdirectory, directory]);
    }
  }
  return {
    inodes,
    inodeArea: alignUp(end, BLOCK_LENGTH),
    bodyBlocks,
    copyBlocks: copied / BLOCK_LENGTH,
    isChunked,
  };
}

/** Bytes directly behind the inode and its attributes. */
function tailLength(inode: PlacedInode): number {
  if (inode.layout === LAYOUT.flatInline) return inode.size - inode.blocks * BLOCK_LENGTH;
  return inode.chunks === undefined ? 0 : inode.chunks.chunks.length * INDEX_ENTRY_LENGTH;
}

function describe(
  node: ErofsNode,
  name: string,
  serial: number,
  deviceSizes: readonly number[],
): PlacedInode {
  const xattrLength = node.xattrs.size === 0 ? 0 : xattrBodyLength(node.xattrs);
  let layout: Layout = LAYOUT.flatPlain;
  let size = 0;
  let blocks = 0;
  let chunks: ChunkPlan | undefined;
  let names = NO_NAMES;
  let targets = NO_TARGETS;
  let nodes = NO_NODES;
  if (node.type === "file") {
    size = node.size;
    if (size > 0) {
      const data = checkedData(node, name, deviceSizes);
      const [first, second] = data.extents ?? [{ offset: 0, length: size }];
      if (first === undefined || first.length !== size || second !== undefined) {
        layout = LAYOUT.chunkBased;
        chunks = planChunks(size, data, BLOCK_BITS);
      }
    }
  } else if (node.type === "directory" || node.type === "symlink") {
    if (node.type === "directory") {
      ({ names, nodes } = contentsOf(node, name));
      targets = [];
      size = directorySize(names);
    } else size = node.linkTarget.length;
    if (size === 0) throw new PlyError("invalid", `symlink ${JSON.stringify(name)} has no target`);
    const tail = size % BLOCK_LENGTH;
    blocks = (size - tail) / BLOCK_LENGTH;
    if (tail > 0 && (xattrLength % SLOT_LENGTH) + tail <= BLOCK_LENGTH) layout = LAYOUT.flatInline;
    else if (tail > 0) blocks++;
  }
  const nlink = node.type === "directory" ? 2 : 1;
  return {
    node,
    serial,
    nid: 0,
    layout,
    size,
    xattrLength,
    blocks,
    firstBlock: 0,
    nlink,
    chunks,
    names,
    targets,
    nodes,
  };
}

function checkedData(node: ErofsNode, name: string, deviceSizes: readonly number[]): ErofsData {
  const { data, size } = node;
  if (data === null) throw new PlyError("invalid", `file ${JSON.stringify(name)} has a size and no data`);
  const deviceSize = deviceSizes[data.device];
  if (deviceSize === undefined)
    throw new PlyError(
      "invalid",
      `file ${JSON.stringify(name)} lies on device ${data.device}: there is none`,
    );
  let stored = size;
  if (data.extents !== undefined) {
    let end = 0;
    stored = 0;
    for (const extent of data.extents) {
      if (extent.offset < end || extent.length < 0)
        throw new PlyError("invalid", `file ${JSON.stringify(name)}: its sparse map is not in order`);
      end = extent.offset + extent.length;
      stored += extent.length;
    }
    if (end > size)
      throw new PlyError("invalid", `file ${JSON.stringify(name)}: its sparse map goes past its end`);
  }
  if (data.offset % BLOCK_LENGTH !== 0)
    throw new PlyError("invalid", `file ${JSON.stringify(name)}: data at ${data.offset}, off the block grid`);
  if (data.offset < 0 || data.offset + stored > deviceSize)
    throw new PlyError(
      "invalid",
      `file ${JSON.stringify(name)}: its data end at ${data.offset + stored}, its device at ${deviceSize}`,
    );
  return data;
}

/** All names of a directory in byte order, `.` and `..` among them where they belong, and the children in that order. */
function contentsOf(
  directory: ErofsNode,
  path: string,
): { readonly names: readonly string[]; readonly nodes: readonly ErofsNode[] } {
  const children = directory.children ?? new Map<string, ErofsNode>();
  const names: string[] = [];
  const nodes: ErofsNode[] = [];
  let dots = 0;
  let last = "";
  let isSorted = true;
  for (const [name, node] of children) {
    if (name === "" || name === "." || name === ".." || name.length > MAX_NAME_LENGTH)
      throw new PlyError("invalid", `directory ${JSON.stringify(path)}: bad name ${JSON.stringify(name)}`);
    if (name <= last) isSorted = false;
    last = name;
    if (dots === 0 && name > ".") {
      names.push(".");
      dots = 1;
    }
    if (dots === 1 && name > "..") {
      names.push("..");
      dots = 2;
    }
    names.push(name);
    nodes.push(node);
  }
  if (dots === 0) names.push(".");
  if (dots < 2) names.push("..");
  if (isSorted) return { names, nodes };
  names.sort();
  return { names, nodes: names.flatMap((name) => children.get(name) ?? []) };
}

function directorySize(names: readonly string[]): number {
  let blocks = 0;
  let used = 0;
  for (const name of names) {
    const cost = DIRENT_LENGTH + name.length;
    if (used + cost > BLOCK_LENGTH) {
      blocks++;
      used = 0;
    }
    used += cost;
  }
  return blocks * BLOCK_LENGTH + used;
}
