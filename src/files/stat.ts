import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { codeOf, PlyError } from "../error.ts";
import { fileTypeOf, isGone } from "../linux/index.ts";
import { absolute, findPlace, followedPath, ownerInside, pathOf, type Root } from "./root.ts";

export type EntryType = "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";

/** What lstat(2) says. */
export interface FileEntry {
  readonly name: string;
  readonly type: EntryType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** As written in the link; empty for all else. */
  readonly linkTarget: string;
}

export interface FileStat extends FileEntry {
  /** Of a link: where it leads in the end, absolute within the root, whether or not that exists. */
  readonly leadsTo: string;
}

/** What is at a path; its last link is not followed unless the path ends in a slash. Throws "not-found". */
export function statPath(root: Root, path: string): FileStat {
  try {
    using place = findPlace(root, path);
    const entry = entryAt(root, place.directory, place.name, posix.basename(absolute(path)) || "/");
    return { ...entry, leadsTo: entry.type === "symlink" ? followedPath(root, path) : "" };
  } catch (error) {
    throw notThere(error, path);
  }
}

/** The entries of a directory (a link to one is followed), sorted; of anything else, itself. Throws "not-found". */
export function listDirectory(root: Root, path: string): FileEntry[] {
  const found = statPath(root, path);
  if (found.type !== "directory" && found.type !== "symlink") return [found];
  const inside = `${found.type === "symlink" ? found.leadsTo : path}/`;
  if (found.type === "symlink" && statPath(root, found.leadsTo).type !== "directory") return [found];
  try {
    using place = findPlace(root, inside);
    const names = readdirSync(pathOf(place.directory, place.name), { encoding: "buffer" });
    const entries: FileEntry[] = [];
    for (const name of names.sort(Buffer.compare))
      try {
        entries.push(entryAt(root, place.directory, name, name.toString("utf8")));
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    return entries;
  } catch (error) {
    throw notThere(error, path);
  }
}

function entryAt(root: Root, directory: number, name: Buffer, shown: string): FileEntry {
  const full = pathOf(directory, name);
  const stat = lstatSync(full, { bigint: true });
  const type = fileTypeOf(stat);
  return {
    name: shown,
    type,
    mode: Number(stat.mode & 0o7777n),
    ...ownerInside(root, Number(stat.uid), Number(stat.gid)),
    size: Number(stat.size),
    mtimeNs: stat.mtimeNs,
    linkTarget: type === "symlink" ? readlinkSync(full, "utf8") : "",
  };
}

/** "not-found" about the path as the user wrote it, when that is what it was. */
export function notThere(error: unknown, path: string): unknown {
  if (!isGone(error) && codeOf(error) !== "ENOTDIR") return error;
  return new PlyError("not-found", `no such file or directory: ${path}`, {
    cause: error,
    details: { path, missing: true },
  });
}
