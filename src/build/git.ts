import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { runTool } from "./process.ts";
import { shown } from "./remote.ts";

/** `https://host/repo.git#ref:directory`. */
export interface GitAddress {
  readonly repository: string;
  /** Branch, tag or commit; "" for the repository's own default. */
  readonly ref: string;
  /** Below the root of the repository; "" for all of it. */
  readonly directory: string;
}

/** An address of a git repository, as Docker tells them from others; undefined for all else. */
export function parseGitAddress(text: string): GitAddress | undefined {
  const [address = "", fragment = ""] = text.split("#", 2);
  const isGit =
    /^(?:git|ssh|git\+https?|git\+ssh):\/\//.test(address) ||
    /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(address) ||
    /^https?:\/\/.*\.git$/.test(address) ||
    /^github\.com\//.test(address);
  if (!isGit) return undefined;
  const colon = fragment.indexOf(":");
  const repository = address.startsWith("github.com/") ? `https://${address}` : address.replace(/^git\+/, "");
  return {
    repository,
    ref: colon < 0 ? fragment : fragment.slice(0, colon),
    directory: colon < 0 ? "" : fragment.slice(colon + 1).replace(/^\/+/, ""),
  };
}

/** Nobody sits there to answer questions, and a repository may not make git run things. */
const GIT_ENV = { GIT_TERMINAL_PROMPT: "0", GIT_PROTOCOL_FROM_USER: "0", LC_ALL: "C" };

/**
 * Checks a repository out into a directory that is not there yet; returns the directory that was asked for, and
 * the commit. Throws "unavailable" in git's words.
 */
export async function checkOut(
  { repository, ref, directory }: GitAddress,
  target: string,
  options: { readonly keepGitDir: boolean; readonly signal: AbortSignal },
): Promise<{ readonly directory: string; readonly commit: string }> {
  if (repository.startsWith("-") || ref.startsWith("-"))
    throw new PlyError("invalid", `invalid git address ${shown(repository)}`);
  if (directory.split("/").includes(".."))
    throw new PlyError("invalid", `the directory ${directory} leads out of the repository`);
  await mkdir(target, { recursive: true, mode: 0o700 });
  const git = (...args: string[]) =>
    runTool("git", ["-c", "core.hooksPath=/dev/null", ...args], {
      cwd: target,
      env: GIT_ENV,
      signal: options.signal,
    });
  await git("init", "--quiet", ".");
  await git("remote", "add", "origin", repository);
  await git("checkout", "--quiet", "--detach", await fetchCommit(git, ref, options.signal));
  await git("submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1");
  const commit = (await git("rev-parse", "HEAD")).trim();
  if (!options.keepGitDir) await rm(join(target, ".git"), { recursive: true, force: true });
  return { directory: join(target, directory), commit };
}

/** Fetches what a ref names, alone where the server can do that; the commit's id. */
async function fetchCommit(
  git: (...args: string[]) => Promise<string>,
  ref: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    await git("fetch", "--quiet", "--depth", "1", "origin", ref === "" ? "HEAD" : ref);
    return "FETCH_HEAD";
  } catch (error) {
    if (signal.aborted) throw error;
  }
  // Not every server gives away a single commit, or a part of the history.
  await git(
    "fetch",
    "--quiet",
    "--tags",
    "origin",
    "+HEAD:refs/remotes/origin/HEAD",
    "+refs/heads/*:refs/remotes/origin/*",
  );
  const branch = `refs/remotes/origin/${ref === "" ? "HEAD" : ref}`;
  let last: unknown;
  for (const name of ref === "" ? [branch] : [branch, `refs/tags/${ref}`, ref])
    try {
      return (await git("rev-parse", "--verify", "--quiet", `${name}^{commit}`)).trim();
    } catch (error) {
      last = error;
    }
  throw new PlyError("not-found", `the repository has no ${ref}`, { cause: last });
}
