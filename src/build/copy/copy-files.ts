import { compilePattern, type IgnoreFile, parsePatterns } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { resolveInTree, type TreeNode } from "../../layer/index.ts";
import { matchPath } from "../../oci/index.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import type { FileTree } from "../context/file-tree.ts";
import type { ModeChange } from "./copy-mode.ts";
import type { Owner } from "./copy-owner.ts";
import type { LayerPlan } from "./layer-plan.ts";

/** What `COPY` and `ADD` do with what they find. */
export interface CopyOptions {
  /** "COPY" or "ADD", for errors. */
  readonly name: string;
  /** Absolute; a slash at its end says that it is a directory. */
  readonly destination: string;
  /** Undefined: the files' own owners. */
  readonly owner: Owner | undefined;
  readonly mode: ModeChange | undefined;
  /** Of directories that are made. */
  readonly madeMode: number;
  /** What is in the way goes, as when an archive is unpacked. */
  readonly replaces?: true;
  readonly keepParents: boolean;
  readonly excludes: readonly string[];
  /** There is but one source. */
  readonly isAlone: boolean;
  /** What they are copied from, for people: a stage, an archive; absent: the context. */
  readonly from?: string;
  /** Told of each file before it is copied; true: it was dealt with otherwise (an archive was unpacked). */
  readonly instead?: (found: Found, directory: string) => Promise<boolean>;
}

/** Something to copy: where it was found, its links followed, and the name it goes by. */
export interface Found {
  readonly tree: FileTree;
  readonly path: string;
  readonly node: TreeNode;
  readonly name: string;
  /** As the Dockerfile names it. */
  readonly written: string;
  /** Names of its path that `--parents` keeps: those after a pivot `/./`. */
  readonly kept?: readonly string[];
  /** It was fetched for this step. */
  readonly isRemote?: true;
}

const NO_OWNER: Owner = { uid: 0, gid: 0 };

/** What a source path or pattern names in a tree, in order. Throws "not-found" when that is nothing. */
export function findSources(tree: FileTree, written: string, name: string, keepParents: boolean): Found[] {
  const pattern = cleanSource(byteString(written));
  if (!/[*?[\\]/.test(pattern)) {
    const found = resolveInTree(tree.root, pattern);
    if (found.node === undefined) throw notFound(name, written);
    return [
      {
        tree,
        path: found.path,
        node: found.node,
        name: lastName(pattern),
        written,
        kept: keptNames(written, pattern),
      },
    ];
  }
  const matches = keepParents ? matchAnyDepth(tree.root, pattern) : matchNames(tree.root, pattern);
  return matches.map((path) => {
    const { path: real, node } = resolveInTree(tree.root, path);
    if (node === undefined) throw notFound(name, shownPath(path));
    return {
      tree,
      path: real,
      node,
      name: lastName(path),
      written: shownPath(path),
      kept: keptNames(written, path),
    };
  });
}

/** What of a matched path lies after the pivot of the pattern. */
function keptNames(written: string, path: string): string[] {
  const pivot = written.indexOf("/./");
  const before = pivot < 0 ? "" : cleanSource(written.slice(0, pivot));
  const skipped = before === "" ? 0 : before.split("/").length;
  return path
    .split("/")
    .filter((name) => name !== "")
    .slice(skipped);
}

export function notFound(name: string, path: string): PlyError {
  const shown = path.replace(/^\/+/, "");
  return new PlyError(
    "not-found",
    `${name} failed: file not found in build context or excluded by .dockerignore: stat ${shown}: file does not exist`,
    { details: { path } },
  );
}

/** Copies what was found. Throws "invalid" where directories and files are in each other's way. */
export async function copyFound(
  plan: LayerPlan,
  found: readonly Found[],
  options: CopyOptions,
): Promise<void> {
  const { destination, owner } = options;
  const patterns = parsePatterns(options.excludes);
  const made = { mode: options.madeMode, ...(owner ?? NO_OWNER) };
  const isDirectory = destination.endsWith("/") || options.keepParents;
  if (isDirectory && found.length > 0) plan.makeDirectory(plan.resolve(byteString(destination)).path, made);
  for (const each of found) {
    const target = plan.resolve(byteString(destination));
    const source = shownSource(each, options);
    if (options.keepParents) await copyWithParents(plan, each, target.path, patterns, options);
    else if (each.node.type === "directory") {
      if (target.node !== undefined && target.node.type !== "directory")
        throw new PlyError("invalid", `cannot copy to non-directory: ${destination}`);
      plan.makeDirectory(target.path, made);
      plan.note(target.path, source);
      copyContents(plan, each, target.path, patterns, options);
    } else {
      const isInto = target.node?.type === "directory";
      if (!isInto && (found.length > 1 || !options.isAlone)) throw overOthers(options);
      const directory = isInto ? target.path : parentPath(target.path);
      if (await options.instead?.(each, target.path)) continue;
      plan.makeDirectory(directory, made);
      const path = isInto ? join(target.path, each.name) : target.path;
      plan.note(path, source);
      if (!patterns.isIgnored(shownPath(each.name))) putFile(plan, path, each, options);
    }
  }
}

/** `src/a.js`, `stage:/out/a.js`, `archive.tar:in/f`, an address. */
function shownSource({ written, path, node, isRemote }: Found, { from }: CopyOptions): string {
  if (isRemote === true) return node.type === "file" ? byteString(written) : `${byteString(written)}:`;
  return from === undefined ? path : `${byteString(from)}:${path}`;
}

/** Of several files with one place to go to the last would replace the others. */
export function overOthers({ name }: CopyOptions): PlyError {
  return new PlyError(
    "invalid",
    `When using ${name} with more than one source file, the destination must be a directory and end with a /`,
  );
}

function putFile(
  plan: LayerPlan,
  path: string,
  { tree, path: from, node }: Pick<Found, "tree" | "path" | "node">,
  { owner, mode, replaces }: CopyOptions,
): void {
  if (replaces) plan.makeRoom(path, node.type);
  const isDirectory = node.type === "directory";
  const changed: TreeNode = {
    type: node.type,
    mode: mode === undefined || node.type === "symlink" ? node.mode : mode(node.mode, isDirectory),
    uid: owner === undefined ? node.uid : owner.uid,
    gid: owner === undefined ? node.gid : owner.gid,
    mtimeSeconds: node.mtimeSeconds,
    mtimeNanos: node.mtimeNanos,
    size: node.size,
    linkTarget: node.linkTarget,
    rdevMajor: node.rdevMajor,
    rdevMinor: node.rdevMinor,
    xattrs: node.xattrs,
    data: null,
    layer: -1,
    implicit: false,
    children: isDirectory ? new Map() : null,
  };
  plan.put(path, changed, node.type === "file" ? { tree, path: from, node } : null);
}

/** What is in a directory goes into another one; the directory itself keeps what it is. */
function copyContents(
  plan: LayerPlan,
  { tree, path, node }: Pick<Found, "tree" | "path" | "node">,
  target: string,
  patterns: IgnoreFile,
  options: CopyOptions,
  below = "",
): void {
  for (const [name, child] of node.children ?? []) {
    const relative = join(below, name);
    const from = join(path, name);
    const isLeftOut = patterns.rules.length > 0 && patterns.isIgnored(shownPath(relative));
    if (child.type === "directory") {
      if (isLeftOut && !patterns.mayKeepBelow(shownPath(relative))) continue;
      const to = join(target, name);
      if (!isLeftOut) putFile(plan, to, { tree, path: from, node: child }, options);
      else
        plan.makeDirectory(to, {
          mode: child.mode,
          ...(options.owner ?? { uid: child.uid, gid: child.gid }),
        });
      copyContents(plan, { tree, path: from, node: child }, to, patterns, options, relative);
    } else if (!isLeftOut && child.type !== "socket")
      putFile(plan, join(target, name), { tree, path: from, node: child }, options);
  }
}

/** `--parents`: a source keeps the directories of its path, those after `/./` where there is such a pivot. */
async function copyWithParents(
  plan: LayerPlan,
  found: Found,
  target: string,
  patterns: IgnoreFile,
  options: CopyOptions,
): Promise<void> {
  const { tree, path, kept: names = [] } = found;
  const kept = names.join("/");
  const skipped = path.split("/").length - names.length;
  let to = target;
  for (let n = 0; n < names.length - 1; n++) {
    to = join(to, names[n] ?? "");
    const from = path
      .split("/")
      .slice(0, skipped + n + 1)
      .join("/");
    const { node } = resolveInTree(tree.root, from);
    if (node?.type === "directory" && plan.resolve(to).node === undefined)
      putFile(plan, to, { tree, path: from, node }, options);
  }
  if (names.length === 0) {
    plan.note(target, shownSource(found, options));
    return copyContents(plan, found, target, patterns, options);
  }
  const last = join(to, names.at(-1) ?? "");
  plan.note(last, shownSource(found, options));
  if (patterns.isIgnored(shownPath(kept))) return;
  putFile(plan, last, found, options);
  if (found.node.type === "directory") copyContents(plan, found, last, patterns, options, kept);
}

/** Cleaned below the root: `..` stops there, as in Docker. Keeps a pivot `/./`. */
function cleanSource(path: string): string {
  const kept: string[] = [];
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") kept.pop();
    else kept.push(name);
  }
  return kept.join("/");
}

/** Paths that a pattern of Go's filepath.Match fits, name by name. */
function matchNames(root: TreeNode, pattern: string): string[] {
  let found: (readonly [path: string, node: TreeNode])[] = [["", root]];
  for (const part of pattern.split("/")) {
    const next: (readonly [string, TreeNode])[] = [];
    for (const [path, node] of found)
      for (const [name, child] of directoryAt(root, path, node)?.children ?? [])
        if (matchPath(part, name)) next.push([join(path, name), child]);
    found = next;
  }
  return found.map(([path]) => path);
}

function directoryAt(root: TreeNode, path: string, node: TreeNode): TreeNode | undefined {
  return node.type === "symlink" ? resolveInTree(root, path).node : node;
}

/** As {@link matchNames}, and `**` stands for any directories. */
function matchAnyDepth(root: TreeNode, pattern: string): string[] {
  if (!pattern.includes("**")) return matchNames(root, pattern);
  const regex = compilePattern(pattern);
  const found: string[] = [];
  const visit = (path: string, node: TreeNode): void => {
    for (const [name, child] of node.children ?? []) {
      const here = join(path, name);
      if (regex.test(here)) found.push(here);
      else visit(here, child);
    }
  };
  visit("", root);
  return found;
}

function join(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
