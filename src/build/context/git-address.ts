import { parseBoolean } from "../../boolean.ts";
import { PlyError } from "../../error.ts";

/** `https://host/repo.git#ref:directory`, or `https://host/repo.git?branch=main&subdir=directory`. */
export interface GitAddress {
  readonly repository: string;
  /** Branch, tag, `refs/…` or commit; "" for the repository's own default. */
  readonly ref: string;
  /** Below the root of the repository; "" for all of it. */
  readonly directory: string;
  /** What the commit's id must begin with; "" for any. */
  readonly checksum: string;
  /** Undefined where the address does not say. */
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean;
}

/** An address of a git repository, as Docker tells them from others; undefined for all else. Throws "invalid" for a bad query. */
export function parseGitAddress(text: string): GitAddress | undefined {
  const [before = "", ...after] = text.split("#");
  const fragment = after.join("#");
  const mark = before.indexOf("?");
  const address = mark < 0 ? before : before.slice(0, mark);
  const isGit =
    /^(?:git|ssh|git\+https?|git\+ssh):\/\//.test(address) ||
    /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(address) ||
    /^https?:\/\/.*\.git$/.test(address) ||
    /^github\.com\//.test(address);
  if (!isGit) return undefined;
  const colon = fragment.indexOf(":");
  const repository = address.startsWith("github.com/") ? `https://${address}` : address.replace(/^git\+/, "");
  const query = readQuery(mark < 0 ? "" : before.slice(mark + 1));
  const ref = agreed("ref", colon < 0 ? fragment : fragment.slice(0, colon), ...query.refs);
  const directory = agreed("subdir", colon < 0 ? "" : fragment.slice(colon + 1), query.directory);
  if (repository.startsWith("-") || ref.startsWith("-"))
    throw new PlyError("invalid", "a git address or ref cannot begin with -");
  if (directory.split("/").includes(".."))
    throw new PlyError("invalid", `the directory ${directory} leads out of the repository`);
  const { checksum, keepGitDir, submodules } = query;
  return { repository, ref, directory: directory.replace(/^\/+/, ""), checksum, keepGitDir, submodules };
}

interface Query extends Pick<GitAddress, "checksum" | "keepGitDir" | "submodules"> {
  readonly refs: readonly string[];
  readonly directory: string;
}

/** What may stand after `?` (Dockerfile 1.18). */
function readQuery(text: string): Query {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(text)) {
    if (values.has(key)) throw new PlyError("invalid", `query ${JSON.stringify(key)} has multiple values`);
    values.set(key, value);
  }
  const take = (key: string): string | undefined => {
    const value = values.get(key);
    values.delete(key);
    if (value === "") throw new PlyError("invalid", `query ${JSON.stringify(key)} has no value`);
    return value;
  };
  const takeSwitch = (key: string): boolean | undefined => {
    const value = values.get(key);
    values.delete(key);
    if (value === undefined) return undefined;
    const isOn = value === "" ? true : parseBoolean(value);
    if (isOn === undefined) throw new PlyError("invalid", `invalid ${key} value: ${JSON.stringify(value)}`);
    return isOn;
  };
  const [tag, branch] = [take("tag"), take("branch")];
  if (tag !== undefined && branch !== undefined) throw new PlyError("invalid", "branch conflicts with tag");
  // Files have the time of their commit, whatever is asked for; a known commit is never asked of the server.
  takeSwitch("fetch-by-commit");
  take("mtime");
  const query: Query = {
    refs: [take("ref") ?? "", named("refs/tags/", tag), named("refs/heads/", branch)],
    directory: take("subdir") ?? "",
    checksum: agreed("checksum", take("checksum") ?? "", take("commit") ?? ""),
    keepGitDir: takeSwitch("keep-git-dir"),
    submodules: takeSwitch("submodules") ?? true,
  };
  const [unknown] = values.keys();
  if (unknown !== undefined)
    throw new PlyError("invalid", `unexpected query ${JSON.stringify(unknown)}`, {
      hint: "known are ref, tag, branch, subdir, checksum, keep-git-dir, submodules",
    });
  return query;
}

function named(prefix: string, name = ""): string {
  return name === "" || name.startsWith(prefix) ? name : prefix + name;
}

/** The one thing that several places say; "" where none does. */
function agreed(what: string, ...values: readonly string[]): string {
  const [first = "", second] = new Set(values.filter((value) => value !== ""));
  if (second === undefined) return first;
  throw new PlyError("invalid", `${what} conflicts: ${JSON.stringify(first)} vs ${JSON.stringify(second)}`);
}
