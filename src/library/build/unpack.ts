import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { PlyError } from "../../error.ts";
import { quoteBytes, readTar, type TarContent, type TarEntry } from "../../tar/index.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Writes the files of a tar below a directory as this user's own, without devices, extended attributes, and the bits that run a
 * program as its owner. A link that is in the way is never followed, a directory never replaced: "conflict". Needs nothing
 * but Node.
 */
export async function unpackInto(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  rename: (path: string) => string = (path) => path,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const tree = openTree(directory);
  /** A directory's mode and time come when nothing is put into it any more. */
  const directories: { readonly at: Buffer; readonly entry: TarEntry }[] = [];
  for await (const { entry, content } of readTar(tar)) {
    const names = namesOf(rename(cleanOf(entry.path)));
    if (entry.type === "directory") directories.push({ at: tree.enter(names), entry });
    else if (names.length > 0) await put(tree, names, { entry, content });
  }
  for (const { at, entry } of directories.reverse()) {
    chmodSync(at, entry.mode & 0o1777);
    utimesSync(at, timeOf(entry), timeOf(entry));
  }
}

interface Tree {
  /** The directory, made where it is missing; all on the way to it are directories, no links. */
  enter(names: readonly string[]): Buffer;
  /** Where something that is no directory goes; what was there is gone. */
  clear(names: readonly string[]): Buffer;
  /** Something that is there. */
  find(names: readonly string[]): Buffer;
}

function openTree(root: string): Tree {
  const known = new Set<string>();
  const pathOf = (names: readonly string[]): Buffer =>
    Buffer.concat([Buffer.from(`${root}/`), Buffer.from(names.join("/"), "latin1")]);
  const refuse = (names: readonly string[]): never => {
    throw new PlyError("conflict", `something else is in the way: ${root}/${quoteBytes(names.join("/"))}`, {
      hint: "remove it, or write into an empty directory",
    });
  };
  const enter = (names: readonly string[]): Buffer => {
    const at = pathOf(names);
    const key = names.join("/");
    if (names.length === 0 || known.has(key)) return at;
    enter(names.slice(0, -1));
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(at);
    else if (!found.isDirectory()) refuse(names);
    known.add(key);
    return at;
  };
  const find = (names: readonly string[]): Buffer => {
    enter(names.slice(0, -1));
    return pathOf(names);
  };
  return {
    enter,
    find,
    clear(names) {
      const at = find(names);
      const found = lstatSync(at, { throwIfNoEntry: false });
      if (found?.isDirectory()) refuse(names);
      if (found !== undefined) unlinkSync(at);
      return at;
    },
  };
}

async function put(tree: Tree, names: readonly string[], { entry, content }: TarContent): Promise<void> {
  if (entry.type === "file") {
    const fd = openSync(tree.clear(names), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    try {
      for await (const chunk of content) for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      fchmodSync(fd, entry.mode & 0o777);
      futimesSync(fd, timeOf(entry), timeOf(entry));
    } finally {
      closeSync(fd);
    }
  } else if (entry.type === "symlink") {
    const at = tree.clear(names);
    symlinkSync(Buffer.from(entry.linkTarget, "latin1"), at);
    lutimesSync(at, timeOf(entry), timeOf(entry));
  } else if (entry.type === "hardlink")
    linkSync(tree.find(namesOf(cleanOf(entry.linkTarget))), tree.clear(names));
}

function cleanOf(path: string): string {
  return path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .join("/");
}

function namesOf(path: string): string[] {
  const names = path === "" ? [] : path.split("/");
  if (names.includes("..")) throw new PlyError("corrupt", `a path that leads out: ${quoteBytes(path)}`);
  return names;
}

function timeOf({ mtimeSeconds, mtimeNanos }: TarEntry): number {
  return mtimeSeconds + mtimeNanos / 1e9;
}
