import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { AddInstruction } from "../../dockerfile/index.ts";
import { isPlyError, PlyError } from "../../error.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import { mayBeArchive, spoolArchive } from "../context/archive.ts";
import { hadEntries } from "../context/context-tree.ts";
import { fetchAddress } from "../context/fetches.ts";
import { readingBelow } from "../context/file-content.ts";
import { type FileTree, newNode } from "../context/file-tree.ts";
import { gitTree } from "../context/git.ts";
import { parseGitAddress } from "../context/git-address.ts";
import { isUrl, shown } from "../context/remote.ts";
import { contextOf, noteUse } from "../origin.ts";
import type { StageWork } from "../session.ts";
import { type CopyOptions, copyFound, type Found, findSources } from "./copy-files.ts";
import type { LayerPlan } from "./layer-plan.ts";

/** What was fetched is readable by its owner alone, as Docker has it. */
const REMOTE_MODE = 0o600;

export interface Adding {
  readonly work: StageWork;
  readonly options: CopyOptions;
  /** What is fetched stays as long as this. */
  readonly stack: AsyncDisposableStack;
}

/** `ADD`'s sources: addresses are fetched, repositories checked out. Throws "not-found", "unavailable", "corrupt". */
export async function findAdded(
  adding: Adding,
  instruction: AddInstruction,
  paths: readonly string[],
): Promise<Found[]> {
  const found: Found[] = [];
  for (const path of paths) {
    if (parseGitAddress(path) !== undefined) found.push(await fromGit(adding, instruction, path));
    else if (isUrl(path)) found.push(await fromUrl(adding, instruction, path));
    else {
      if (instruction.checksum !== "")
        throw new PlyError("invalid", "checksum can't be specified for non-HTTP(S) sources");
      found.push(...findSources(contextOf(adding.work.session, "ADD"), path, "ADD", false));
    }
  }
  for (const { tree } of found) noteUse(adding.work.session, tree);
  return found;
}

/** For what is an archive: its files go into the directory in its place. */
export function unpacker(
  adding: Adding & { readonly plan: LayerPlan },
  instruction: AddInstruction,
  given: boolean,
): NonNullable<CopyOptions["instead"]> {
  const { plan, options } = adding;
  return async (found, directory) => {
    const isRemote = found.isRemote === true;
    if (!(instruction.unpack ?? !isRemote) || found.node.type !== "file") return false;
    const tree = await openArchive(adding, found);
    if (tree === undefined) {
      if (instruction.unpack === true)
        throw new PlyError("invalid", `ADD failed: ${found.written} is no archive that could be unpacked`);
      return false;
    }
    const root: Found = { tree, path: "", node: tree.root, name: "", written: found.written };
    // Without --chown the files belong to whom the archive says.
    const { owner: _root, instead: _self, ...rest } = options;
    const destination = `/${shownPath(directory)}/`;
    const owner = given ? options.owner : undefined;
    await copyFound(plan, [root], { ...rest, destination, owner, replaces: true, from: found.written });
    return true;
  };
}

async function openArchive({ work, stack }: Adding, { tree, path, node }: Found) {
  const { session } = work;
  // A tree that mounts what it reads is made ready by asking for a digest.
  await tree.digestOf(path, node);
  await tree.ready?.();
  const [first] = tree.read(path, node);
  if (!mayBeArchive(Buffer.from(first ?? []))) return undefined;
  try {
    const spooled = await spoolArchive(
      copies(tree.read(path, node)),
      temporary(session.parts.spool),
      session.signal,
    );
    return stack.use(spooled);
  } catch (error) {
    // A compressed file that holds no archive is copied as it is; a broken archive is not.
    if (isPlyError(error, "corrupt") && !hadEntries(error)) return undefined;
    throw error;
  }
}

function temporary(directory: string): string {
  return join(directory, randomUUID());
}

async function* copies(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function fromUrl(
  { work, options, stack }: Adding,
  instruction: AddInstruction,
  address: string,
): Promise<Found> {
  const { session, variables } = work;
  const directory = session.parts.spool;
  const file = temporary(directory);
  stack.defer(() => rm(file, { force: true }));
  const checksum = variables.expand(instruction.checksum);
  if (checksum !== "" && !/^sha256:[0-9a-f]{64}$/.test(checksum))
    throw new PlyError("invalid", `invalid checksum digest format: ${checksum}`, {
      hint: "write sha256: and 64 hexadecimal digits",
    });
  const got = await fetchAddress(session.parts.store.records("build-fetch"), address, {
    file,
    sha256: checksum.slice("sha256:".length),
    anew: session.options.noCache === true,
    secrets: session.options.secrets ?? new Map(),
    signal: session.signal,
  });
  if (checksum !== "" && checksum !== `sha256:${got.sha256}`)
    throw new PlyError("corrupt", `digest mismatch sha256:${got.sha256}: ${checksum}`, {
      hint: `${address} is not what it was when --checksum was written`,
    });
  if (got.name === "" && options.destination.endsWith("/"))
    throw new PlyError("invalid", `cannot determine filename for source ${address}`, {
      hint: "give a destination that does not end with a slash",
    });
  const node = newNode({ type: "file", mode: REMOTE_MODE, size: got.size, mtimeSeconds: got.mtimeSeconds });
  const path = byteString(file.slice(directory.length + 1));
  const tree: FileTree = {
    root: node,
    read: readingBelow(directory).read,
    digestOf: () => got.sha256,
    ready: got.ready,
    fetched: { uri: shown(address), digest: { sha256: got.sha256 } },
  };
  return {
    tree,
    path,
    node,
    name: byteString(got.name),
    written: address,
    isRemote: true,
  };
}

async function fromGit({ work, stack }: Adding, instruction: AddInstruction, text: string): Promise<Found> {
  const { session, variables } = work;
  const address = parseGitAddress(text);
  if (address === undefined) throw new PlyError("internal", "not a git address");
  const target = temporary(session.parts.spool);
  stack.defer(() => rm(target, { recursive: true, force: true }));
  const checksum = variables.expand(instruction.checksum);
  if (checksum !== "" && address.checksum !== "" && checksum !== address.checksum)
    throw new PlyError("invalid", `checksum mismatch ${address.checksum} != ${checksum}`);
  const tree = await gitTree({ ...address, checksum: checksum || address.checksum }, target, {
    repositories: session.parts.repositories,
    keepGitDir: address.keepGitDir ?? instruction.keepGitDir,
    secrets: session.options.secrets ?? new Map(),
    agent: session.options.ssh?.get("default"),
    signal: session.signal,
  });
  return { tree, path: "", node: tree.root, name: "", written: text, isRemote: true };
}
