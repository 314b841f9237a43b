import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { IGNORE_FILES, type IgnoreFile, ownIgnoreFiles, parseIgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { lookup, resolveInTree, type TreeNode } from "../../layer/index.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import { mayBeArchive, spoolArchive } from "./archive.ts";
import { directoryTree } from "./directory-tree.ts";
import { httpAuthorization, type Secrets } from "./fetch-secrets.ts";
import type { FilePool } from "./file-pool.ts";
import { type FileTree, type Material, newNode } from "./file-tree.ts";
import { gitTree } from "./git.ts";
import { parseGitAddress } from "./git-address.ts";
import type { HostMemory } from "./host-memory.ts";
import { download, isUrl, shown } from "./remote.ts";
import type { Repositories } from "./repositories.ts";
import { MAX_TEXT_BYTES, readTreeText } from "./tree-text.ts";

/** Where a context comes from. */
export type ContextSource =
  /** An archive that is being sent. */
  | { readonly archive: AsyncIterable<Uint8Array> }
  /** A directory in the archive that is being sent for all of them. */
  | { readonly member: string }
  | { readonly address: string }
  /** A directory of this host, which must be the one with this device and inode. */
  | {
      readonly directory: string;
      readonly device: string;
      readonly inode: string;
      /** Text of a `.dockerignore`. */
      readonly ignore?: string;
    };

export interface ContextSources {
  readonly main: ContextSource | null;
  readonly named: ReadonlyMap<string, ContextSource | null>;
  readonly archive: AsyncIterable<Uint8Array> | undefined;
}

export interface ContextOptions {
  /** Path of the Dockerfile within the context; "" for the usual name. */
  readonly dockerfile?: string;
  /** For addresses: what lets in there. */
  readonly secrets?: Secrets;
  readonly agent?: string;
  /** A repository's own `.git` is part of the context. */
  readonly keepGitDir?: boolean;
  readonly signal?: AbortSignal;
}

/** A context that is here; dispose it to remove what it takes. */
export interface BuildContext extends AsyncDisposable {
  readonly dockerfile: { readonly text: string; readonly name: string };
  /** Without what `.dockerignore` leaves out. */
  readonly tree: FileTree;
  readonly ignore?: IgnoreFile;
}

export interface BuildContexts extends AsyncDisposable {
  /** Where one was asked for. */
  readonly dockerfile: { readonly text: string; readonly name: string } | undefined;
  readonly main: FileTree | null;
  /** What left files out of the main one. */
  readonly ignore?: IgnoreFile;
  readonly named: ReadonlyMap<string, FileTree>;
}

/** What contexts are opened with. */
export interface ContextParts {
  /** Directory for what is sent and fetched. */
  readonly spool: string;
  /** What earlier builds saw of this host. */
  readonly memory: () => HostMemory;
  readonly pool: FilePool;
  readonly repositories: Repositories;
}

const DOCKERFILE = "Dockerfile";
/** As Podman calls it. */
const CONTAINERFILE = "Containerfile";

/** Throws "invalid" without a Dockerfile, "corrupt" for what is no archive, "unavailable" for an address that fails. */
export async function openBuildContext(
  parts: ContextParts,
  source: ContextSource,
  options: ContextOptions,
): Promise<BuildContext> {
  const sources = { main: source, named: new Map(), archive: undefined };
  const { dockerfile, main, ignore, ...held } = await openBuildContexts(parts, sources, {
    dockerfile: "",
    ...options,
  });
  if (dockerfile === undefined || main === null)
    throw new PlyError("internal", "a context without a Dockerfile");
  const left = ignore === undefined ? {} : { ignore };
  return { dockerfile, tree: main, ...left, [Symbol.asyncDispose]: held[Symbol.asyncDispose] };
}

/**
 * Opens all contexts of a build. With `dockerfile` in the options it is looked for in the main one, and that one's
 * `.dockerignore` obeyed. Throws as {@link openBuildContext}, "conflict" for a directory that is not the one meant.
 */
export async function openBuildContexts(
  parts: ContextParts,
  { main, named, archive }: ContextSources,
  options: ContextOptions,
): Promise<BuildContexts> {
  await using stack = new AsyncDisposableStack();
  const { dockerfile, signal = new AbortController().signal } = options;
  const opening: Opening = { ...parts, stack, signal, options, sent: undefined };
  if (archive !== undefined) opening.sent = await spool(opening, archive);
  const opened = main === null ? null : await openOne(opening, main);
  const trees = new Map<string, FileTree>();
  for (const [name, source] of named) {
    const tree = source === null ? undefined : await openOne(opening, source);
    if (tree !== undefined && !("text" in tree)) trees.set(name, tree);
  }
  if (opened !== null && "text" in opened)
    return finish(stack, {
      dockerfile: { text: opened.text, name: DOCKERFILE },
      main: { ...emptyTree(), fetched: opened.fetched },
      named: trees,
    });
  if (dockerfile === undefined || opened === null)
    return finish(stack, { dockerfile: undefined, main: opened, named: trees });
  const name = dockerfile === "" ? usualName(opened) : dockerfile;
  const text = readTreeText(opened, name);
  if (text === undefined)
    throw new PlyError("invalid", `Cannot locate specified Dockerfile: ${name}`, {
      hint: "it is a path within the context",
    });
  const rules = [...ownIgnoreFiles(name), ...IGNORE_FILES]
    .map((path) => readTreeText(opened, path))
    .find((found) => found !== undefined);
  if (rules === undefined) return finish(stack, { dockerfile: { text, name }, main: opened, named: trees });
  const ignore = parseIgnoreFile(rules);
  const kept = { ...opened, root: withoutIgnored(opened.root, ignore) };
  return finish(stack, { dockerfile: { text, name }, main: kept, ignore, named: trees });
}

function finish(
  stack: AsyncDisposableStack,
  contexts: Omit<BuildContexts, keyof AsyncDisposable>,
): BuildContexts {
  const held = stack.move();
  return { ...contexts, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Contexts on their way in. */
interface Opening extends ContextParts {
  readonly stack: AsyncDisposableStack;
  readonly signal: AbortSignal;
  readonly options: ContextOptions;
  /** The archive that holds several. */
  sent: FileTree | undefined;
}

async function spool(
  { spool: directory, stack, signal }: Opening,
  archive: AsyncIterable<Uint8Array>,
): Promise<FileTree> {
  return stack.use(await spoolArchive(archive, join(directory, randomUUID()), signal));
}

/** What an address had in place of a context. */
interface LoneDockerfile {
  readonly text: string;
  readonly fetched: Material;
}

async function openOne(opening: Opening, source: ContextSource): Promise<FileTree | LoneDockerfile> {
  if ("archive" in source) return spool(opening, source.archive);
  if ("address" in source) return fetchContext(opening, source.address);
  if ("member" in source) return memberOf(opening.sent, source.member);
  const { directory, device, inode, ignore } = source;
  const stat = await lstat(directory, { bigint: true }).catch(() => undefined);
  if (stat === undefined || String(stat.dev) !== device || String(stat.ino) !== inode || !stat.isDirectory())
    throw new PlyError("conflict", `the engine does not find ${directory} where the client does`);
  return directoryTree(directory, {
    ...opening.memory(),
    pool: opening.pool,
    ...(ignore === undefined ? {} : { ignore: parseIgnoreFile(ignore) }),
  });
}

/** A directory of the archive as a tree of its own; an empty one where there is none. */
function memberOf(sent: FileTree | undefined, member: string): FileTree {
  const root = sent === undefined ? undefined : lookup(sent.root, byteString(member));
  if (sent === undefined || root?.type !== "directory") return emptyTree();
  return { ...sent, root };
}

function usualName(tree: FileTree): string {
  const names = [DOCKERFILE, DOCKERFILE.toLowerCase(), CONTAINERFILE];
  return names.find((name) => resolveInTree(tree.root, name).node?.type === "file") ?? DOCKERFILE;
}

/** The same tree without what rules leave out; directories stay for what is kept below them. */
function withoutIgnored(root: TreeNode, rules: IgnoreFile): TreeNode {
  const visit = (node: TreeNode, path: string): TreeNode => {
    if (node.children === null) return node;
    const children = new Map<string, TreeNode>();
    for (const [name, child] of node.children) {
      const here = path === "" ? name : `${path}/${name}`;
      const isIgnored = rules.isIgnored(shownPath(here));
      if (child.type !== "directory") {
        if (!isIgnored) children.set(name, child);
        continue;
      }
      if (isIgnored && !rules.mayKeepBelow(shownPath(here))) continue;
      const kept = visit(child, here);
      if (!isIgnored || (kept.children?.size ?? 0) > 0) children.set(name, kept);
    }
    return { ...node, children };
  };
  return visit(root, "");
}

/** A repository, an archive, or a Dockerfile alone. */
async function fetchContext(
  { spool: directory, stack, signal, repositories, options }: Opening,
  address: string,
): Promise<FileTree | LoneDockerfile> {
  const place = join(directory, randomUUID());
  stack.defer(() => rm(place, { recursive: true, force: true }));
  const git = parseGitAddress(address);
  const { secrets = new Map(), agent, keepGitDir = false } = options;
  if (git !== undefined) {
    const keeps = git.keepGitDir ?? keepGitDir;
    return gitTree(git, place, { repositories, keepGitDir: keeps, secrets, agent, signal });
  }
  if (!isUrl(address))
    throw new PlyError("invalid", `remote URL ${address} could not be processed`, {
      hint: "give the address of a git repository, an archive or a Dockerfile",
    });
  const authorization = (url: URL) => httpAuthorization(secrets, url);
  const { size, sha256 } = await download(address, place, { authorization, signal });
  const fetched: Material = { uri: shown(address), digest: { sha256 } };
  // By what it is: servers call a Dockerfile application/octet-stream and an archive text/plain.
  if (size <= MAX_TEXT_BYTES) {
    const bytes = await readFile(place);
    if (!mayBeArchive(bytes) && !bytes.includes(0)) return { text: bytes.toString("utf8"), fetched };
  }
  const chunks = createReadStream(place) as AsyncIterable<Uint8Array>;
  return { ...stack.use(await spoolArchive(chunks, `${place}.tar`, signal)), fetched };
}

function emptyTree(): FileTree {
  return { root: newNode({ type: "directory", mode: 0o755 }), read: () => [], digestOf: () => "" };
}
