import { lstatSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isPlyError, PlyError } from "../../error.ts";
import { runTool } from "../process.ts";
import { directoryTree } from "./directory-tree.ts";
import { gitAuthorization, type Secrets } from "./fetch-secrets.ts";
import { type FileTree, type Material, walkTree } from "./file-tree.ts";
import type { GitAddress } from "./git-address.ts";
import { shown } from "./remote.ts";
import type { Repositories } from "./repositories.ts";

export interface CheckOutOptions {
  readonly repositories: Repositories;
  readonly keepGitDir: boolean;
  readonly secrets: Secrets;
  /** Socket of the agent for `ssh://`; undefined: what the engine itself has. */
  readonly agent: string | undefined;
  readonly signal: AbortSignal;
}

interface CheckedOut {
  /** The directory that was asked for. */
  readonly directory: string;
  readonly commit: string;
  /** When the commit was made, seconds since 1970: the time of all files. */
  readonly committedAt: number;
}

type Git = (...args: readonly string[]) => Promise<string>;

const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/**
 * Checks a repository out into a directory that is not there yet. A commit that was fetched before is not fetched again.
 * Throws "unavailable" in git's words, "not-found" for an unknown ref, "corrupt" for another commit than was meant.
 */
async function checkOut(address: GitAddress, target: string, options: CheckOutOptions): Promise<CheckedOut> {
  const { repository, checksum, directory } = address;
  const git = gitFor(address, options);
  const copy = await options.repositories.hold(repository);
  try {
    if (copy.isNew) {
      const fresh = `${copy.directory}.new`;
      for (const left of [fresh, copy.directory]) await rm(left, { recursive: true, force: true });
      await git("init", "--quiet", "--bare", fresh);
      await git("--git-dir", fresh, "config", "uploadpack.allowAnySHA1InWant", "true");
      // More would put packs together in no certain way.
      await git("--git-dir", fresh, "config", "pack.threads", "1");
      await rename(fresh, copy.directory);
    }
    const commit = await bring((...args) => git("--git-dir", copy.directory, ...args), address, options);
    if (!commit.startsWith(checksum))
      throw new PlyError("corrupt", `expected checksum to match ${checksum}, got ${commit}`);
    await mkdir(target, { recursive: true, mode: 0o700 });
    const own: Git = (...args) => git("-C", target, ...args);
    await git("init", "--quiet", "--template=", target);
    await own("remote", "add", "origin", repository);
    await own("-c", "protocol.file.allow=always", "fetch", "--quiet", "--depth", "1", copy.directory, commit);
    await own("checkout", "--quiet", "--detach", "FETCH_HEAD");
    if (address.submodules)
      await own("submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1");
    const committedAt = Number(await own("show", "--no-patch", "--format=%ct", "HEAD"));
    if (options.keepGitDir) await settle(own, join(target, ".git"));
    else await rm(join(target, ".git"), { recursive: true, force: true });
    return { directory: join(target, directory), commit, committedAt };
  } finally {
    copy.release();
  }
}

/** Takes out of a `.git` what says when and where it was made: the same commit is the same directory. */
async function settle(git: Git, directory: string): Promise<void> {
  for (const name of ["FETCH_HEAD", "ORIG_HEAD", "logs", "index"])
    await rm(join(directory, name), { recursive: true, force: true });
  // An index that knows no times of files.
  await git("read-tree", "HEAD");
}

/** As {@link checkOut}, as a tree: the same commit is the same tree, times and all. */
export async function gitTree(
  address: GitAddress,
  target: string,
  options: CheckOutOptions,
): Promise<FileTree> {
  const { directory, commit, committedAt } = await checkOut(address, target, options);
  if (lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new PlyError(
      "not-found",
      `the repository ${shown(address.repository)} has no directory ${address.directory}`,
    );
  const tree = await directoryTree(directory);
  for (const [, node] of walkTree("", tree.root))
    Object.assign(node, { mtimeSeconds: committedAt, mtimeNanos: 0 });
  return { ...tree, fetched: materialOf(address, commit) };
}

/** `REPOSITORY#REF`, as BuildKit names it. */
function materialOf({ repository, ref }: GitAddress, commit: string): Material {
  const uri = ref === "" ? shown(repository) : `${shown(repository)}#${ref}`;
  return { uri, digest: { [commit.length > 40 ? "sha256" : "sha1"]: commit } };
}

/** git as nobody sits there to answer it, and as no repository can make it run things. */
function gitFor({ repository }: GitAddress, { secrets, agent, signal }: CheckOutOptions): Git {
  const authorization = gitAuthorization(secrets, repository);
  const config: [key: string, value: string][] = [
    ["core.hooksPath", "/dev/null"],
    ["gc.auto", "0"],
    ["advice.detachedHead", "false"],
  ];
  if (authorization !== undefined)
    config.push([`http.${new URL(repository).origin}/.extraHeader`, `Authorization: ${authorization}`]);
  // By variables: the words of a process are everybody's to read.
  const settings = config.flatMap(([key, value], n) => [
    [`GIT_CONFIG_KEY_${n}`, key],
    [`GIT_CONFIG_VALUE_${n}`, value],
  ]);
  const env = {
    ...Object.fromEntries(settings),
    GIT_CONFIG_COUNT: String(config.length),
    GIT_TERMINAL_PROMPT: "0",
    GIT_PROTOCOL_FROM_USER: "0",
    LC_ALL: "C",
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }),
  };
  return (...args) => runTool("git", args, { env, signal });
}

/** Sees to it that the commit an address means is in the bare copy; its id. */
async function bring(git: Git, address: GitAddress, { signal }: CheckOutOptions): Promise<string> {
  const { repository, ref, checksum } = address;
  const has = (commit: string): Promise<boolean> =>
    git("cat-file", "-e", `${commit}^{commit}`).then(
      () => true,
      () => false,
    );
  const given = [ref, checksum].find((text) => COMMIT.test(text));
  const commit = given ?? (await commitOf(git, repository, ref));
  if (commit !== undefined && (await has(commit))) return commit;
  if (commit !== undefined)
    try {
      await git("fetch", "--quiet", "--depth", "1", repository, commit);
      return commit;
    } catch (error) {
      if (signal.aborted || isPlyError(error, "unsupported")) throw error;
    }
  // Not every server gives away a single commit, or a part of the history; and an id may be cut short.
  await git("fetch", "--quiet", "--tags", repository, "+refs/heads/*:refs/remotes/origin/*");
  try {
    return (await git("rev-parse", "--verify", "--quiet", `${commit ?? ref}^{commit}`)).trim();
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new PlyError("not-found", `the repository ${shown(repository)} has no ${ref}`, { cause });
  }
}

/** The commit that a branch, a tag or another ref is at, by its server; undefined where it knows none of that name. */
async function commitOf(git: Git, repository: string, ref: string): Promise<string | undefined> {
  const patterns = ref === "" ? ["HEAD"] : [ref, `${ref}^{}`];
  const refs = new Map(
    (await git("ls-remote", repository, ...patterns))
      .split("\n")
      .map((line) => line.split("\t"))
      .map(([commit = "", name = ""]) => [name, commit] as const),
  );
  const names = ref === "" ? ["HEAD"] : [`refs/heads/${ref}`, `refs/tags/${ref}`, ref, `refs/${ref}`];
  for (const name of names) {
    // A tag with a text of its own stands before the commit it is of.
    const found = refs.get(`${name}^{}`) ?? refs.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}
