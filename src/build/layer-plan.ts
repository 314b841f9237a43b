import { createHash } from "node:crypto";
import { PlyError } from "../error.ts";
import { lookup, resolveInTree, type TreeNode } from "../layer/index.ts";
import { TAR_END, tarHeader, tarPadding } from "../tar/index.ts";
import type { StepInput } from "./cache.ts";
import { EMPTY_DIGEST, type FileTree, newNode, shownPath } from "./file-tree.ts";

/** One entry of a layer to be. */
interface Planned {
  readonly node: TreeNode;
  /** Where a file's bytes are. */
  readonly content:
    | { readonly tree: FileTree; readonly path: string; readonly node: TreeNode }
    | Uint8Array
    | null;
  /** A directory that is only there to hold others. */
  readonly isImplied: boolean;
}

/** How the times of a layer's entries are rewritten. Seconds since 1970. */
export type Times = { readonly atMost: number } | { readonly all: number };

/**
 * A layer that is being put together over a tree: every entry is put into the tree at once, so that what comes next
 * finds it there. The same entries make the same bytes.
 */
export interface LayerPlan {
  readonly isEmpty: boolean;
  /** It was planned over nothing, as `--link` has it: the stage's tree does not show it yet. */
  readonly standsAlone: boolean;
  /** Follows symlinks in the tree, never out of it. */
  resolve(path: string): { readonly path: string; readonly node: TreeNode | undefined };
  /** Makes a directory and those it lies in, where they are missing. Throws "invalid" where something else is in the way. */
  makeDirectory(
    path: string,
    attributes: { readonly mode: number; readonly uid: number; readonly gid: number },
  ): void;
  /** What is there goes, unless it is a directory and one is to come. */
  makeRoom(path: string, type: TreeNode["type"]): void;
  /** Puts one entry, whose node becomes the plan's; its directory is there. Throws "invalid" for a directory over something else, or the reverse. */
  put(path: string, node: TreeNode, content: Planned["content"]): void;
  /** What tells this layer from any other, times aside: a line for each entry. */
  inputs(): Promise<StepInput[]>;
  /** The layer as a tar. */
  tar(options: { readonly times?: Times; readonly now: number }): AsyncIterable<Uint8Array>;
  /** Says, for people, where what lies at or below a path comes from. */
  note(path: string, source: string): void;
  readonly origins: readonly (readonly [path: string, source: string])[];
  /** A file's bytes, when it is the plan's. */
  contentOf(node: TreeNode): Promise<Iterable<Uint8Array> | undefined>;
}

const CHUNK_BYTES = 256 * 1024;

/**
 * A plan over nothing: no link of what it comes to lie on is followed. Directories on its way that `base` has look as they
 * do there, so that whoever lays the layer over it changes none of them.
 */
export function createLonePlan(base: TreeNode): LayerPlan {
  return planOver(newNode({ type: "directory", mode: 0o755 }), base);
}

export function createLayerPlan(target: TreeNode): LayerPlan {
  return planOver(target, undefined);
}

function planOver(target: TreeNode, base: TreeNode | undefined): LayerPlan {
  const entries = new Map<string, Planned>();
  const byNode = new Map<TreeNode, Planned>();
  const origins: [path: string, source: string][] = [];

  /** The directory found last: most entries lie beside the one before. */
  let last: { readonly path: string; readonly directory: TreeNode } | undefined;
  const parentOf = (path: string): TreeNode => {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (last?.path === parent) return last.directory;
    let directory = target;
    const names = path.split("/");
    for (const name of names.slice(0, -1)) {
      const next = directory.children?.get(name);
      if (next?.children === undefined || next.children === null)
        throw new PlyError("internal", `no directory for ${shownPath(path)}`);
      directory = next;
    }
    last = { path: parent, directory };
    return directory;
  };

  const insert = (path: string, planned: Planned): void => {
    const parent = parentOf(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (planned.node.type === "directory") last = undefined;
    // A later entry for a path comes at its own place in the order: what it replaces may have been a link's target.
    if (entries.has(path)) entries.delete(path);
    entries.set(path, planned);
    byNode.set(planned.node, planned);
    parent.children?.set(name, planned.node);
  };

  const put: LayerPlan["put"] = (path, node, content) => {
    if (path === "") {
      entries.set(path, { node, content, isImplied: false });
      Object.assign(target, { ...node, children: target.children });
      return;
    }
    const old = parentOf(path).children?.get(path.slice(path.lastIndexOf("/") + 1));
    const isDirectory = node.type === "directory";
    if (old !== undefined && isDirectory && old.type !== "directory")
      throw new PlyError("invalid", `cannot copy to non-directory: /${shownPath(path)}`);
    if (old?.type === "directory" && !isDirectory)
      throw new PlyError("invalid", `cannot replace directory /${shownPath(path)} with file`);
    if (old?.type === "directory") node.children = old.children;
    insert(path, { node, content, isImplied: false });
  };

  return {
    standsAlone: base !== undefined,
    get isEmpty() {
      return entries.size === 0;
    },
    resolve: (path) => resolveInTree(target, path),
    makeDirectory(path, attributes) {
      const names = path === "" ? [] : path.split("/");
      let directory = target;
      for (const [n, name] of names.entries()) {
        const here = names.slice(0, n + 1).join("/");
        const next = directory.children?.get(name);
        if (next !== undefined && next.type !== "directory")
          throw new PlyError(
            "invalid",
            `cannot make the directory /${shownPath(path)}: /${shownPath(here)} is a ${next.type}`,
          );
        if (next !== undefined) {
          directory = next;
          continue;
        }
        const there = base === undefined ? undefined : lookup(base, here);
        const { mode, uid, gid } = there?.type === "directory" ? there : attributes;
        const node = newNode({ type: "directory", mode, uid, gid });
        insert(here, { node, content: null, isImplied: true });
        directory = node;
      }
    },
    makeRoom(path, type) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const siblings = parentOf(path).children;
      const old = siblings?.get(name);
      if (path === "" || old === undefined || (old.type === "directory" && type === "directory")) return;
      siblings?.delete(name);
      last = undefined;
      for (const known of entries.keys())
        if (known === path || known.startsWith(`${path}/`)) entries.delete(known);
    },
    put,
    origins,
    note: (path, source) => origins.push([path, source]),
    async inputs() {
      const inputs: StepInput[] = [];
      for (const [path, { node, content }] of entries) {
        const { type, mode, uid, gid, linkTarget, rdevMajor, rdevMinor } = node;
        let text = `${type} ${mode.toString(8)} ${uid}:${gid}`;
        if (type === "file") {
          const digest = digestOf(content);
          text += ` ${typeof digest === "string" ? digest : await digest}`;
        }
        if (linkTarget !== "") text += ` ${linkTarget}`;
        if (rdevMajor !== 0 || rdevMinor !== 0) text += ` ${rdevMajor}:${rdevMinor}`;
        if (node.xattrs.size > 0) text += ` ${xattrText(node.xattrs)}`;
        inputs.push([`/${path}`, text]);
      }
      return inputs;
    },
    tar: (options) => writeTar([...entries], options),
    async contentOf(node) {
      const planned = byNode.get(node);
      return planned === undefined ? undefined : await bytesOf(planned);
    },
  };
}

function xattrText(xattrs: TreeNode["xattrs"]): string {
  return JSON.stringify(
    [...xattrs].sort().map(([name, value]) => [name, Buffer.from(value).toString("hex")]),
  );
}

function digestOf(content: Planned["content"]): Promise<string> | string {
  if (content === null) return EMPTY_DIGEST;
  if (content instanceof Uint8Array) return createHash("sha256").update(content).digest("hex");
  return content.tree.digestOf(content.path, content.node);
}

async function bytesOf({ content }: Planned): Promise<Iterable<Uint8Array>> {
  if (content === null) return [];
  if (content instanceof Uint8Array) return [content];
  await content.tree.ready?.();
  return content.tree.read(content.path, content.node);
}

async function* writeTar(
  entries: readonly (readonly [string, Planned])[],
  { times, now }: { readonly times?: Times; readonly now: number },
): AsyncGenerator<Uint8Array> {
  // Directories nobody wrote get the time of the newest thing that was, so that the same files make the same bytes.
  const newest = entries.reduce(
    (latest, [, { node, isImplied, content }]) =>
      isImplied || content instanceof Uint8Array ? latest : Math.max(latest, node.mtimeSeconds),
    Number.NEGATIVE_INFINITY,
  );
  const own = Number.isFinite(newest) ? newest : now;
  const firstNames = new Map<TreeNode, readonly [path: string, node: TreeNode]>();
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  /** Copies as much as there is room for; how much that was. */
  const take = (bytes: Uint8Array, from: number): number => {
    const count = Math.min(bytes.length - from, chunk.length - filled);
    chunk.set(from === 0 && count === bytes.length ? bytes : bytes.subarray(from, from + count), filled);
    filled += count;
    return count;
  };
  const flush = (): Uint8Array => {
    const full = chunk.subarray(0, filled);
    chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    filled = 0;
    return full;
  };
  function* add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = take(bytes, 0); from < bytes.length; from += take(bytes, from)) yield flush();
  }
  for (const [path, planned] of entries) {
    const { node, content, isImplied } = planned;
    const isMadeNow = isImplied || content instanceof Uint8Array;
    const seconds = isMadeNow ? (isImplied ? own : now) : node.mtimeSeconds;
    const time = rewritten(seconds, isMadeNow ? 0 : node.mtimeNanos, times);
    const common = { mode: node.mode, uid: node.uid, gid: node.gid, xattrs: node.xattrs, ...time };
    const source = content === null || content instanceof Uint8Array ? undefined : content.node;
    const first = source === undefined ? undefined : firstNames.get(source);
    if (first !== undefined && hasSameAttributes(first[1], node)) {
      yield* add(tarHeader({ ...common, path, type: "hardlink", linkTarget: first[0] }));
      continue;
    }
    if (source !== undefined) firstNames.set(source, [path, node]);
    const written = path === "" ? "./" : node.type === "directory" ? `${path}/` : path;
    if (node.type === "socket") continue;
    yield* add(
      tarHeader({
        ...common,
        path: written,
        type: node.type,
        size: node.size,
        linkTarget: node.linkTarget,
        devMajor: node.rdevMajor,
        devMinor: node.rdevMinor,
      }),
    );
    if (node.type !== "file") continue;
    for (const bytes of await bytesOf(planned)) yield* add(bytes);
    yield* add(tarPadding(node.size));
  }
  yield* add(TAR_END);
  yield flush();
}

/** A link shares everything with the file it is to. */
function hasSameAttributes(one: TreeNode, other: TreeNode): boolean {
  return one.mode === other.mode && one.uid === other.uid && one.gid === other.gid;
}

export function rewritten(
  seconds: number,
  nanos: number,
  times: Times | undefined,
): { readonly mtimeSeconds: number; readonly mtimeNanos: number } {
  if (times === undefined) return { mtimeSeconds: seconds, mtimeNanos: nanos };
  if ("all" in times) return { mtimeSeconds: times.all, mtimeNanos: 0 };
  if (seconds < times.atMost) return { mtimeSeconds: seconds, mtimeNanos: nanos };
  return { mtimeSeconds: times.atMost, mtimeNanos: 0 };
}
