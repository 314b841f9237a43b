import { sameXattrs, type TreeNode } from "../layer/index.ts";

/** A directory of an unpacked layer, in overlayfs form. */
export interface DiffDirectory {
  readonly node: TreeNode;
  /** Hides all that the layers below have here. */
  readonly isOpaque: boolean;
  /** Names below that are gone. */
  readonly whiteouts: readonly string[];
  readonly children: ReadonlyMap<string, DiffDirectory | TreeNode>;
}

export function isDiffDirectory(child: DiffDirectory | TreeNode): child is DiffDirectory {
  return "node" in child;
}

/**
 * What must lie on top of `below` so that overlayfs shows `above`: the two are unions of the same layers, but
 * `above` has one more (device numbers agree). Null when nothing differs but maybe the root, which is always given.
 *
 * A hard link group that gained, lost or changed a name is there with all its names, so that link counts and
 * inode identity come out as in the merged tree. A directory is there when anything below it is, with the
 * attributes the union gives it: an implicit one has those of the layers below.
 */
export function overlayChanges(below: TreeNode, above: TreeNode): DiffDirectory {
  const groups = linkGroups(above, below);
  const namesBelow = countNames(below);
  const isChanged = (node: TreeNode): boolean => {
    const group = groups.get(node);
    if (group === undefined) return true;
    const { before } = group;
    if (before === undefined || group.isMixed) return true;
    return group.names !== namesBelow.get(before) || !sameFile(before, node);
  };
  return directoryChanges(below, above, isChanged) ?? emptyDirectory(above);
}

function emptyDirectory(node: TreeNode): DiffDirectory {
  return { node, isOpaque: false, whiteouts: [], children: new Map() };
}

/** The names of one inode above, and what was there below. */
interface LinkGroup {
  names: number;
  readonly before: TreeNode | undefined;
  /** Its names were not all one inode below. */
  isMixed: boolean;
}

function linkGroups(above: TreeNode, below: TreeNode): Map<TreeNode, LinkGroup> {
  const groups = new Map<TreeNode, LinkGroup>();
  const todo: [TreeNode, TreeNode | undefined][] = [[above, below]];
  for (let pair = todo.pop(); pair !== undefined; pair = todo.pop()) {
    const [directory, old] = pair;
    for (const [name, child] of directory.children ?? []) {
      const before = old?.children?.get(name);
      if (child.children !== null) {
        todo.push([child, before]);
        continue;
      }
      const group = groups.get(child);
      if (group === undefined) groups.set(child, { names: 1, before, isMixed: false });
      else {
        group.names++;
        if (group.before !== before) group.isMixed = true;
      }
    }
  }
  return groups;
}

function countNames(root: TreeNode): Map<TreeNode, number> {
  const counts = new Map<TreeNode, number>();
  const todo = [root];
  for (let directory = todo.pop(); directory !== undefined; directory = todo.pop())
    for (const child of directory.children?.values() ?? [])
      if (child.children !== null) todo.push(child);
      else counts.set(child, (counts.get(child) ?? 0) + 1);
  return counts;
}

function directoryChanges(
  below: TreeNode | undefined,
  above: TreeNode,
  isChanged: (node: TreeNode) => boolean,
): DiffDirectory | undefined {
  const old = below?.children ?? undefined;
  const children = new Map<string, DiffDirectory | TreeNode>();
  let leansOnBelow = false;
  for (const [name, child] of above.children ?? []) {
    const before = old?.get(name);
    if (child.children === null) {
      if (before === undefined || isChanged(child)) children.set(name, child);
      else leansOnBelow = true;
      continue;
    }
    if (before?.children) leansOnBelow = true;
    const changes = directoryChanges(before?.children ? before : undefined, child, isChanged);
    if (changes !== undefined) children.set(name, changes);
  }
  const whiteouts = [...(old?.keys() ?? [])].filter((name) => !above.children?.has(name));
  const isOpaque = whiteouts.length > 0 && !leansOnBelow;
  const isSame =
    old !== undefined &&
    below !== undefined &&
    children.size === 0 &&
    whiteouts.length === 0 &&
    sameAttributes(below, above);
  return isSame ? undefined : { node: above, isOpaque, whiteouts: isOpaque ? [] : whiteouts, children };
}

function sameFile(a: TreeNode, b: TreeNode): boolean {
  return (
    a.type === b.type &&
    a.size === b.size &&
    a.linkTarget === b.linkTarget &&
    a.rdevMajor === b.rdevMajor &&
    a.rdevMinor === b.rdevMinor &&
    a.data?.device === b.data?.device &&
    a.data?.offset === b.data?.offset &&
    sameAttributes(a, b)
  );
}

function sameAttributes(a: TreeNode, b: TreeNode): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNanos === b.mtimeNanos &&
    sameXattrs(a.xattrs, b.xattrs)
  );
}

/** Numbers of the layers whose content the changes need. */
export function devicesOf(changes: DiffDirectory): Set<number> {
  const devices = new Set<number>();
  const todo = [changes];
  for (let directory = todo.pop(); directory !== undefined; directory = todo.pop())
    for (const child of directory.children.values())
      if (isDiffDirectory(child)) todo.push(child);
      else if (child.data !== null) devices.add(child.data.device);
  return devices;
}
