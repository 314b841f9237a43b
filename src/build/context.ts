import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type IgnoreFile, parseIgnoreFile } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { resolveInTree, type TreeNode } from "../layer/index.ts";
import { spoolArchive } from "./archive.ts";
import { directoryTree } from "./directory-tree.ts";
import { byteString, type FileTree, newNode, shownPath } from "./file-tree.ts";
import { checkOut, parseGitAddress } from "./git.ts";
import { download, isUrl } from "./remote.ts";

/** Where a context comes from: an archive that is being sent, or an address. */
export type ContextSource = { readonly archive: AsyncIterable<Uint8Array> } | { readonly address: string };

export interface ContextOptions {
  /** Path of the Dockerfile within the context; "" for the usual name. */
  readonly dockerfile: string;
  readonly signal?: AbortSignal;
}

/** A context that is here; dispose it to remove what it takes. */
export interface BuildContext extends AsyncDisposable {
  readonly dockerfile: { readonly text: string; readonly name: string };
  /** Without what `.dockerignore` leaves out. */
  readonly tree: FileTree;
  /** All that came, `.dockerignore` or not. */
  readonly whole: FileTree;
}

const DOCKERFILE = "Dockerfile";
/** Far above any Dockerfile that people write. */
const DOCKERFILE_BYTES = 16 * 1024 * 1024;

/** Throws "invalid" without a Dockerfile, "corrupt" for what is no archive, "unavailable" for an address that fails. */
export async function openBuildContext(
  spool: string,
  source: ContextSource,
  { dockerfile, signal = new AbortController().signal }: ContextOptions,
): Promise<BuildContext> {
  await using stack = new AsyncDisposableStack();
  const fetched =
    "address" in source ? await fetchContext(spool, source.address, { stack, signal }) : undefined;
  if (fetched !== undefined && "text" in fetched) {
    const tree = emptyTree();
    return {
      dockerfile: { text: fetched.text, name: DOCKERFILE },
      tree,
      whole: tree,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const whole =
    fetched ??
    stack.use(
      await spoolArchive("archive" in source ? source.archive : empty(), join(spool, randomUUID()), signal),
    );
  const name = dockerfile === "" ? usualName(whole) : dockerfile;
  const text = readText(whole, name);
  if (text === undefined)
    throw new PlyError("invalid", `Cannot locate specified Dockerfile: ${name}`, {
      hint: "it is a path within the context",
    });
  const rules = readText(whole, `${name}.dockerignore`) ?? readText(whole, ".dockerignore");
  const tree =
    rules === undefined ? whole : { ...whole, root: withoutIgnored(whole.root, parseIgnoreFile(rules)) };
  const held = stack.move();
  return { dockerfile: { text, name }, tree, whole, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function usualName(tree: FileTree): string {
  const names = [DOCKERFILE, DOCKERFILE.toLowerCase()];
  return names.find((name) => resolveInTree(tree.root, name).node?.type === "file") ?? DOCKERFILE;
}

function readText(tree: FileTree, path: string): string | undefined {
  const { node, path: real } = resolveInTree(tree.root, byteString(path));
  if (node?.type !== "file") return undefined;
  if (node.size > DOCKERFILE_BYTES)
    throw new PlyError("limit", `${path} has ${node.size} bytes, more than ${DOCKERFILE_BYTES}`);
  const chunks: Buffer[] = [];
  for (const bytes of tree.read(real, node)) chunks.push(Buffer.from(bytes));
  return Buffer.concat(chunks).toString("utf8");
}

/** The same tree without what rules leave out; directories stay for what is kept below them. */
export function withoutIgnored(root: TreeNode, rules: IgnoreFile): TreeNode {
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
  spool: string,
  address: string,
  { stack, signal }: { readonly stack: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<FileTree | { readonly text: string }> {
  const place = join(spool, randomUUID());
  stack.defer(() => rm(place, { recursive: true, force: true }));
  const git = parseGitAddress(address);
  if (git !== undefined) {
    const { directory } = await checkOut(git, place, { keepGitDir: false, signal });
    return directoryTree(directory);
  }
  if (!isUrl(address))
    throw new PlyError("invalid", `remote URL ${address} could not be processed`, {
      hint: "give the address of a git repository, an archive or a Dockerfile",
    });
  const { file, contentType, size } = await download(address, place, signal);
  const chunks = createReadStream(file) as AsyncIterable<Uint8Array>;
  if (contentType === "text/plain" && size <= DOCKERFILE_BYTES) {
    const text: Uint8Array[] = [];
    for await (const chunk of chunks) text.push(chunk);
    return { text: Buffer.concat(text).toString("utf8") };
  }
  return stack.use(await spoolArchive(chunks, `${place}.tar`, signal));
}

function emptyTree(): FileTree {
  return { root: newNode({ type: "directory", mode: 0o755 }), read: () => [], digestOf: () => "" };
}

async function* empty(): AsyncGenerator<Uint8Array> {}
