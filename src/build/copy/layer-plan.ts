import { createHash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PlyError } from "../../error.ts";
import { lookup, resolveInTree, type TreeNode } from "../../layer/index.ts";
import { shownPath, TAR_END, tarHeader, tarPadding } from "../../tar/index.ts";
import type { StepInput } from "../cache/cache.ts";
import { EMPTY_DIGEST, type FileTree, newNode } from "../context/file-tree.ts";

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
  tar(options: TarOptions): AsyncIterable<Uint8Array>;
  /** Says, for people, where what lies at or below a path comes from. */
  note(path: string, source: string): void;
  readonly origins: readonly (readonly [path: string, source: string])[];
  /** A file's bytes, when it is the plan's. */
  contentOf(node: TreeNode): Promise<Iterable<Uint8Array> | undefined>;
}

const CHUNK_BYTES = 256 * 1024;
/** Others get their turn after so long. */
const TURN_MS = 10;

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
  const origins: [path: string, source: string][] = [];

  /** The directory found last: most entries lie beside the one before. */
  let last: { readonly path: string; readonly directory: TreeNode } | undefined;
  const parentOf = (path: string, slash: number): TreeNode => {
    if (last?.path.length === Math.max(0, slash) && path.startsWith(last.path)) return last.directory;
    let directory = target;
    const parent = path.slice(0, Math.max(0, slash));
    for (const name of parent === "" ? [] : parent.split("/")) {
      const next = directory.children?.get(name);
      if (next?.children === undefined || next.children === null)
        throw new PlyError("internal", `no directory for ${shownPath(path)}`);
      directory = next;
    }
    last = { path: parent, directory };
    return directory;
  };

  /** `children`: what is in its directory, as `name` is in it. */
  const insert = (
    path: string,
    planned: Planned,
    { children, name }: { readonly children: TreeNode["children"]; readonly name: string },
  ): void => {
    if (planned.node.type === "directory") last = undefined;
    // A later entry for a path comes at its own place in the order: what it replaces may have been a link's target.
    if (children?.has(name)) entries.delete(path);
    entries.set(path, planned);
    children?.set(name, planned.node);
  };

  const put: LayerPlan["put"] = (path, node, content) => {
    if (path === "") {
      entries.set(path, { node, content, isImplied: false });
      Object.assign(target, { ...node, children: target.children });
      return;
    }
    const slash = path.lastIndexOf("/");
    const { children } = parentOf(path, slash);
    const name = path.slice(slash + 1);
    const old = children?.get(name);
    const isDirectory = node.type === "directory";
    if (old !== undefined && isDirectory && old.type !== "directory")
      throw new PlyError("invalid", `cannot copy to non-directory: /${shownPath(path)}`);
    if (old?.type === "directory" && !isDirectory)
      throw new PlyError("invalid", `cannot replace directory /${shownPath(path)} with file`);
    if (old?.type === "directory") node.children = old.children;
    insert(path, { node, content, isImplied: false }, { children, name });
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
        insert(here, { node, content: null, isImplied: true }, { children: directory.children, name });
        directory = node;
      }
    },
    makeRoom(path, type) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      const siblings = parentOf(path, path.lastIndexOf("/")).children;
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
      let turnAt = performance.now() + TURN_MS;
      // Most entries have what the one before has.
      let like: TreeNode | undefined;
      let attributes = "";
      for (const [path, { node, content }] of entries) {
        // Files that were not hashed before are read here.
        if (inputs.length % 64 === 0 && performance.now() > turnAt) {
          await nextTurn();
          turnAt = performance.now() + TURN_MS;
        }
        const { type, mode, uid, gid } = node;
        if (type !== like?.type || mode !== like.mode || uid !== like.uid || gid !== like.gid) {
          like = node;
          attributes = attributesText(node);
        }
        const digest = type === "file" ? digestOf(content) : undefined;
        inputs.push([
          `/${path}`,
          entryText(node, typeof digest === "object" ? await digest : digest, attributes),
        ]);
      }
      return inputs;
    },
    tar: (options) => writeTar(entries, options),
    async contentOf(node) {
      const planned = entries.values().find((each) => each.node === node);
      if (planned === undefined) return undefined;
      if (planned.content !== null && !(planned.content instanceof Uint8Array))
        await planned.content.tree.ready?.();
      return bytesOf(planned);
    },
  };
}

/** What tells an entry from any other, its time aside; `digest`: of a file's content. */
export function entryText(
  { linkTarget, rdevMajor, rdevMinor, xattrs }: TreeNode,
  digest: string | undefined,
  attributes: string,
): string {
  let text = attributes;
  if (digest !== undefined) text += ` ${digest}`;
  if (linkTarget !== "") text += ` ${linkTarget}`;
  if (rdevMajor !== 0 || rdevMinor !== 0) text += ` ${rdevMajor}:${rdevMinor}`;
  if (xattrs.size > 0) text += ` ${xattrText(xattrs)}`;
  return text;
}

export function attributesText({
  type,
  mode,
  uid,
  gid,
}: Pick<TreeNode, "type" | "mode" | "uid" | "gid">): string {
  return `${type} ${mode.toString(8)} ${uid}:${gid}`;
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

/** A file's bytes, whose tree is ready. */
function bytesOf({ content }: Planned): Iterable<Uint8Array> {
  if (content === null) return [];
  return content instanceof Uint8Array ? [content] : content.tree.read(content.path, content.node);
}

interface TarOptions {
  readonly times?: Times;
  readonly now: number;
  /** Times stay as exact as they are. */
  readonly keepsNanos?: boolean;
}

/** The pieces in chunks that are few and large; others get their turn between them. */
async function* writeTar(
  entries: ReadonlyMap<string, Planned>,
  options: TarOptions,
): AsyncGenerator<Uint8Array> {
  const trees = new Set<FileTree>();
  for (const { content } of entries.values())
    if (content !== null && !(content instanceof Uint8Array)) trees.add(content.tree);
  for (const tree of trees) await tree.ready?.();
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let filled = 0;
  let turnAt = performance.now() + TURN_MS;
  for (const bytes of piecesOf(entries, options))
    for (let from = 0; from < bytes.length; ) {
      const count = Math.min(bytes.length - from, chunk.length - filled);
      chunk.set(count === bytes.length ? bytes : bytes.subarray(from, from + count), filled);
      filled += count;
      from += count;
      if (filled < chunk.length) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      filled = 0;
      if (performance.now() < turnAt) continue;
      await nextTurn();
      turnAt = performance.now() + TURN_MS;
    }
  yield chunk.subarray(0, filled);
}

/** Each is valid until the next one is asked for. Times are whole seconds, as Docker has them in layers. */
function* piecesOf(
  entries: ReadonlyMap<string, Planned>,
  { times, now, keepsNanos = false }: TarOptions,
): Generator<Uint8Array> {
  // Directories nobody wrote get the time of the newest thing that was, so that the same files make the same bytes.
  let newest = Number.NEGATIVE_INFINITY;
  for (const { node, isImplied, content } of entries.values())
    if (!isImplied && !(content instanceof Uint8Array)) newest = Math.max(newest, node.mtimeSeconds);
  const own = Number.isFinite(newest) ? newest : now;
  const firstNames = new Map<TreeNode, readonly [path: string, node: TreeNode]>();
  for (const [path, planned] of entries) {
    const { node, content, isImplied } = planned;
    if (node.type === "socket") continue;
    const isMadeNow = content instanceof Uint8Array;
    const seconds = isImplied ? own : isMadeNow ? now : node.mtimeSeconds;
    const time = rewritten(seconds, keepsNanos ? node.mtimeNanos : 0, times);
    const fields = { path, mode: node.mode, uid: node.uid, gid: node.gid, xattrs: node.xattrs, ...time };
    const source = content === null || isMadeNow ? undefined : content.node;
    const first = source === undefined ? undefined : firstNames.get(source);
    if (first !== undefined && hasSameAttributes(first[1], node)) {
      yield tarHeader({ ...fields, type: "hardlink", linkTarget: first[0] });
      continue;
    }
    if (source !== undefined) firstNames.set(source, [path, node]);
    if (node.type === "file") {
      yield tarHeader({ ...fields, type: "file", size: node.size });
      yield* bytesOf(planned);
      yield tarPadding(node.size);
      continue;
    }
    yield tarHeader({
      ...fields,
      path: path === "" ? "./" : node.type === "directory" ? `${path}/` : path,
      type: node.type,
      linkTarget: node.linkTarget,
      devMajor: node.rdevMajor,
      devMinor: node.rdevMinor,
    });
  }
  yield TAR_END;
}

/** A link shares everything with the file it is to. */
function hasSameAttributes(one: TreeNode, other: TreeNode): boolean {
  return one.mode === other.mode && one.uid === other.uid && one.gid === other.gid;
}

/** What the times say that is made now, seconds since 1970. */
export const secondsOf = (times: Times): number => ("all" in times ? times.all : times.atMost);

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
