import { PlyError } from "../error.ts";
import { NO_XATTRS, quoteBytes } from "../tar/index.ts";
import type { LayerEntry, LayerIndex } from "./entry.ts";
import { resolveInTree } from "./lookup.ts";
import { nameOf, parentOf } from "./path.ts";
import type { TreeNode } from "./tree.ts";

/** Directories may nest this deep (symlinked parents can go beyond one path's length); bounds every recursion over a tree. */
export const MAX_DEPTH = 4096;
/** Names looked at while following symlinks or applying markers; a layer that needs more is made to waste time. */
const MAX_STEPS = 50_000_000;
const IMPLICIT_MODE = 0o755;
const SYMLINK_MODE = 0o777;

/** A union that grows layer by layer, bottom to top. */
export interface UnionBuilder {
  /** The root; changed in place by `apply`. Children are in archive order until {@link sortTree}. */
  readonly root: TreeNode;
  /** Puts one more layer on top. After an error the union is unusable. */
  apply(layer: LayerIndex): void;
}

/**
 * Glues layers (bottom to top) into one tree; every directory's children are in byte order.
 *
 * - Whiteouts and opaque markers hide what came from below, never what the same layer brings, wherever in the
 *   archive they stand (OCI image-spec, layer.md#whiteouts).
 * - A later entry replaces an earlier one, in a layer as between layers; a directory over a directory changes
 *   only its attributes. Parents that no layer names are implicit and override nothing (erofs-format.md, section 11).
 * - A parent that is a symlink is followed inside the tree, as in a chroot: `lib/x` over `lib -> usr/lib` is
 *   `usr/lib/x`; where it points to nothing, the directories are made. So do `umoci unpack` and (but for the
 *   missing directories, an error there) Docker's vfs driver; overlay2 unpacks each layer apart and would put a new
 *   directory over the symlink. A directory *entry* named `lib` does replace the symlink, with all of them.
 * - A hard link is one more name of the node its target names at that point, whichever layer brought it; the
 *   node survives when the target's name is replaced later.
 *
 * Throws "invalid" naming the entry (dangling hard links, link loops), "limit" for trees out of proportion.
 */
export function unionOf(layers: readonly LayerIndex[]): TreeNode {
  const builder = createUnion();
  for (const layer of layers) builder.apply(layer);
  sortTree(builder.root);
  return builder.root;
}

/** An empty union: its layers are applied from the bottom to the top. */
export function createUnion(): UnionBuilder {
  const root = implicitDirectory(0);
  let layerCount = 0;
  const budget = { steps: MAX_STEPS };
  return {
    root,
    apply(layer) {
      applyLayer(root, layer, layerCount++, budget);
    },
  };
}

/** One layer being applied. */
interface Application {
  readonly root: TreeNode;
  readonly layer: number;
  /** Names that this layer has entries for, by directory; kept only when it has markers that must spare them. */
  readonly touched: Map<TreeNode, Set<string>> | undefined;
  readonly budget: { steps: number };
  /** The directory found last, and the path it was found by: most entries lie beside the one before. */
  lastPath: string;
  lastDirectory: TreeNode | undefined;
}

function applyLayer(root: TreeNode, { entries }: LayerIndex, layer: number, budget: { steps: number }): void {
  const hasMarkers = entries.some((entry) => entry.type === "whiteout" || entry.type === "opaque");
  const touched = hasMarkers ? new Map<TreeNode, Set<string>>() : undefined;
  const state: Application = { root, layer, touched, budget, lastPath: "", lastDirectory: root };
  for (const entry of entries) {
    if (entry.type === "whiteout") applyWhiteout(state, entry.path);
    else if (entry.type === "opaque") applyOpaque(state, entry.path);
    else if (entry.path !== "") place(state, entry);
    else if (entry.type === "directory") setAttributes(root, entry, layer);
    else throw new PlyError("invalid", `the root of layer ${layer} is a ${entry.type}, not a directory`);
  }
}

function place(state: Application, entry: LayerEntry): void {
  const { path } = entry;
  const slash = path.lastIndexOf("/");
  const length = Math.max(slash, 0);
  const { lastDirectory, lastPath } = state;
  const isBeside = lastDirectory !== undefined && lastPath.length === length && path.startsWith(lastPath);
  const directory = isBeside ? lastDirectory : makeDirectory(state, path.slice(0, length));
  const name = path.slice(slash + 1);
  const siblings = childrenOf(directory);
  const old = siblings.get(name);
  if (state.touched !== undefined) touch(state.touched, directory, name);
  if (entry.type === "directory" && old?.type === "directory") {
    setAttributes(old, entry, state.layer);
    return;
  }
  const node = entry.type === "hardlink" ? hardLinkTarget(state, entry) : nodeOf(entry, state.layer);
  if (old !== undefined) forgetDirectory(state, old);
  siblings.set(name, node);
}

function hardLinkTarget(state: Application, entry: LayerEntry): TreeNode {
  const directory = findDirectory(state, parentOf(entry.linkTarget));
  const node = directory?.children?.get(nameOf(entry.linkTarget));
  if (node === undefined)
    throw new PlyError(
      "invalid",
      `hard link ${quoteBytes(entry.path)} in layer ${state.layer}: its target ${quoteBytes(entry.linkTarget)} does not exist`,
    );
  if (node.type === "directory")
    throw new PlyError(
      "invalid",
      `hard link ${quoteBytes(entry.path)} in layer ${state.layer}: its target ${quoteBytes(entry.linkTarget)} is a directory`,
    );
  return node;
}

function applyWhiteout(state: Application, path: string): void {
  const directory = findDirectory(state, parentOf(path));
  const name = nameOf(path);
  const node = directory?.children?.get(name);
  if (directory === undefined || node === undefined) return;
  const isTouched = state.touched?.get(directory)?.has(name) === true;
  const isEmptied = node.type !== "directory" || !keepTouched(state, node, 0);
  if (isTouched) return;
  if (isEmptied) directory.children?.delete(name);
  else becomeImplicit(node, state.layer);
  forgetDirectory(state, node);
}

function applyOpaque(state: Application, path: string): void {
  const directory = findDirectory(state, path);
  if (directory === undefined) return;
  keepTouched(state, directory, 0);
  state.lastDirectory = undefined;
}

/** Removes what came from below; true when something of this layer is left. */
function keepTouched(state: Application, directory: TreeNode, depth: number): boolean {
  const children = childrenOf(directory);
  if (depth > MAX_DEPTH) throw tooDeep();
  const names = state.touched?.get(directory);
  spend(state, children.size);
  for (const [name, child] of children) {
    const isEmptied = child.type !== "directory" || !keepTouched(state, child, depth + 1);
    if (names?.has(name) === true) continue;
    if (isEmptied) children.delete(name);
    else becomeImplicit(child, state.layer);
  }
  return children.size > 0;
}

/** The directory at a path, symlinks followed; undefined when there is none. */
function findDirectory(state: Application, path: string): TreeNode | undefined {
  if (path === state.lastPath && state.lastDirectory !== undefined) return state.lastDirectory;
  const found = walk(state, path);
  const node = found === undefined ? resolve(state, path).node : found;
  return node?.type === "directory" ? node : undefined;
}

/** The directory at a path, symlinks followed, made where missing. */
function makeDirectory(state: Application, path: string): TreeNode {
  if (path === state.lastPath && state.lastDirectory !== undefined) return state.lastDirectory;
  let node = walk(state, path);
  if (node === undefined) {
    node = state.root;
    for (const name of resolve(state, path).path.split("/")) {
      if (name === "") continue;
      const children = childrenOf(node);
      let next = children.get(name);
      if (next === undefined || next.type !== "directory") {
        if (next !== undefined) forgetDirectory(state, next);
        next = implicitDirectory(state.layer);
        children.set(name, next);
      }
      node = next;
    }
  }
  state.lastPath = path;
  state.lastDirectory = node;
  return node;
}

/** The directory at a path that leads over directories only; undefined: missing, or a symlink on the way. */
function walk(state: Application, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = state.root;
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf("/", start);
    const end = slash < 0 ? path.length : slash;
    node = node.children?.get(path.slice(start, end));
    if (node?.type !== "directory") return undefined;
    start = end + 1;
  }
  return node;
}

function resolve(state: Application, path: string): ReturnType<typeof resolveInTree> {
  const resolved = resolveInTree(state.root, path);
  spend(state, resolved.steps);
  return resolved;
}

/** A directory or symlink that goes may have led to the directory found last. */
function forgetDirectory(state: Application, node: TreeNode): void {
  if (node.type === "directory" || node.type === "symlink") state.lastDirectory = undefined;
}

function touch(touched: Map<TreeNode, Set<string>>, directory: TreeNode, name: string): void {
  const names = touched.get(directory);
  if (names === undefined) touched.set(directory, new Set([name]));
  else names.add(name);
}

function spend(state: Application, steps: number): void {
  state.budget.steps -= steps;
  if (state.budget.steps < 0)
    throw new PlyError("limit", `layer ${state.layer}: its links and whiteouts take too long to work out`, {
      hint: "the layer is built to waste time; do not use this image",
    });
}

function nodeOf(entry: LayerEntry, layer: number): TreeNode {
  const { type } = entry;
  if (type === "hardlink" || type === "whiteout" || type === "opaque")
    throw new PlyError("internal", `a ${type} is not a node`);
  let data: TreeNode["data"] = null;
  if (entry.size > 0) {
    data =
      entry.extents === undefined
        ? { device: layer, offset: entry.offset }
        : { device: layer, offset: entry.offset, extents: entry.extents };
  }
  return {
    type,
    // No Linux filesystem keeps another mode of a symlink, whatever its tar says.
    mode: type === "symlink" ? SYMLINK_MODE : entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSeconds: entry.mtimeSeconds,
    mtimeNanos: entry.mtimeNanos,
    size: entry.size,
    linkTarget: entry.linkTarget,
    rdevMajor: entry.rdevMajor,
    rdevMinor: entry.rdevMinor,
    xattrs: entry.xattrs,
    data,
    children: type === "directory" ? new Map() : null,
    layer,
    implicit: false,
  };
}

function implicitDirectory(layer: number): TreeNode {
  return {
    type: "directory",
    mode: IMPLICIT_MODE,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    mtimeNanos: 0,
    size: 0,
    linkTarget: "",
    rdevMajor: 0,
    rdevMinor: 0,
    xattrs: NO_XATTRS,
    data: null,
    children: new Map(),
    layer,
    implicit: true,
  };
}

function setAttributes(node: TreeNode, entry: LayerEntry, layer: number): void {
  node.mode = entry.mode;
  node.uid = entry.uid;
  node.gid = entry.gid;
  node.mtimeSeconds = entry.mtimeSeconds;
  node.mtimeNanos = entry.mtimeNanos;
  node.xattrs = entry.xattrs;
  node.layer = layer;
  node.implicit = false;
}

/** A hidden directory that the hiding layer itself puts things into. */
function becomeImplicit(node: TreeNode, layer: number): void {
  const { children: _children, ...attributes } = implicitDirectory(layer);
  Object.assign(node, attributes);
}

function childrenOf(directory: TreeNode): Map<string, TreeNode> {
  if (directory.children === null) throw new PlyError("internal", "a directory without children");
  return directory.children;
}

/** Brings every directory's children into byte order. Throws "limit" when directories nest too deep. */
export function sortTree(root: TreeNode): void {
  const todo: [TreeNode, number][] = [[root, 0]];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [directory, depth] = next;
    if (depth > MAX_DEPTH) throw tooDeep();
    const children = childrenOf(directory);
    let isSorted = true;
    let last = "";
    for (const [name, child] of children) {
      if (name < last) isSorted = false;
      last = name;
      if (child.children !== null) todo.push([child, depth + 1]);
    }
    if (!isSorted) directory.children = sortedByName(children);
  }
}

function sortedByName(children: ReadonlyMap<string, TreeNode>): Map<string, TreeNode> {
  const sorted = new Map<string, TreeNode>();
  for (const name of [...children.keys()].sort()) {
    const child = children.get(name);
    if (child !== undefined) sorted.set(name, child);
  }
  return sorted;
}

function tooDeep(): PlyError {
  return new PlyError("limit", `directories nest deeper than ${MAX_DEPTH}`);
}
