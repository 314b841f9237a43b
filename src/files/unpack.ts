import {
  chmodSync as chmodPath,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  write,
} from "node:fs";
import { posix } from "node:path";
import { promisify } from "node:util";
import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import { failedWith, mknod, openInRoot, S_IF, utimensNs } from "../linux/index.ts";
import { isHole, quoteBytes, readTar, type TarContent, type TarEntry } from "../tar/index.ts";
import { setXattrs } from "./attributes.ts";
import { O_PATH, ownerOutside, pathOf, type Root } from "./root.ts";
import { isGone, notThere } from "./stat.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const NANOS = 1_000_000_000n;
const NAME_LIMIT = 255;
const writeTo = promisify(write);
/** What most filesystems can leave out. */
const HOLE_BYTES = 4096;
const ZEROS = Buffer.alloc(64 * HOLE_BYTES);

export interface UnpackOptions {
  /** A directory is never replaced by something else, nor the other way round. */
  readonly keepKinds: boolean;
  /** Who owns what is made: as the archive says, who runs this program, or this user. */
  readonly owner: "archive" | "caller" | { readonly uid: number; readonly gid: number };
  /**
   * Links that lie in the way: followed as within the root (a container's own `/var/run` → `/run`), or refused (an archive that
   * somebody hostile may have made, unpacked on the host).
   */
  readonly links: "follow" | "refuse";
  readonly signal?: AbortSignal;
}

export interface Unpacked {
  readonly entries: number;
  /** Of files' contents. */
  readonly bytes: number;
}

interface Target {
  readonly root: Root;
  /** Of the directory unpacked into, within the root; latin1. */
  readonly base: string;
  /** As users know it. */
  readonly shown: string;
  readonly options: UnpackOptions;
}

/**
 * Unpacks a tar archive into an existing directory of the root (its links are followed). Names that climb out of the
 * directory are refused ("invalid"), and nothing outside of the root is ever touched, whatever links the archive brings or
 * others put in the way meanwhile. Existing files are replaced, directories merged; missing parents are made, 0755. Throws
 * "not-found", "invalid" when it is no directory, "denied" when it cannot be written to, "corrupt" for a broken archive.
 */
export async function unpack(
  root: Root,
  path: string,
  archive: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<Unpacked> {
  const target = { root, base: checkDirectory(root, path), shown: path, options };
  const times: (readonly [path: string, entry: TarEntry])[] = [];
  let entries = 0;
  let bytes = 0;
  for await (const item of readTar(archive)) {
    throwIfAborted(options.signal);
    const { entry } = item;
    const name = cleanName(entry.path, path);
    try {
      await unpackEntry(target, name, item);
    } catch (error) {
      throw explained(error, entry.path);
    }
    entries++;
    bytes += entry.type === "file" ? entry.size : 0;
    if (entry.type === "directory" && name !== "") times.push([name, entry]);
  }
  // A directory's time changes with what is put in it.
  for (const [name, entry] of times.reverse())
    try {
      using parent = openParent(target, name);
      setTime(parent.directory, parent.name, entry);
    } catch (error) {
      if (!isGone(error) && !failedWith(error, "ELOOP")) throw error;
    }
  return { entries, bytes };
}

function checkDirectory(root: Root, path: string): string {
  try {
    const fd = openInRoot(root.fd, path === "" ? "." : path, O_PATH | O_DIRECTORY);
    closeSync(fd);
  } catch (error) {
    if (failedWith(error, "ENOTDIR"))
      throw new PlyError("invalid", "extraction point is not a directory", { details: { path } });
    throw notThere(error, path);
  }
  return Buffer.from(path).toString("latin1");
}

/** A name of the archive as a path below the directory; "" is the directory itself. */
function cleanName(name: string, shown: string): string {
  const kept: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (kept.pop() === undefined)
        throw new PlyError("invalid", `${quoteBytes(name)} is outside of ${JSON.stringify(shown)}`);
      continue;
    }
    if (part.length > NAME_LIMIT || part.includes("\0"))
      throw new PlyError("invalid", `${quoteBytes(name)}: no file can have such a name`);
    kept.push(part);
  }
  return kept.join("/");
}

interface Parent extends Disposable {
  readonly directory: number;
  readonly name: Buffer;
}

/** Opens the directory that `name` lies in, making what is missing of it. */
function openParent(target: Target, name: string): Parent {
  const slash = name.lastIndexOf("/");
  const directory = openDirectory(target, slash < 0 ? "" : name.slice(0, slash));
  return {
    directory,
    name: Buffer.from(name.slice(slash + 1), "latin1"),
    [Symbol.dispose]: () => closeSync(directory),
  };
}

function openDirectory(target: Target, below: string): number {
  const { root, base, options } = target;
  const flags = O_PATH | O_DIRECTORY;
  const refuse = options.links === "refuse";
  try {
    if (!refuse) return openInRoot(root.fd, bytesOf(`${base}/${below}`), flags);
    const top = openInRoot(root.fd, bytesOf(base), flags);
    try {
      return openInRoot(top, bytesOf(below), flags, { noLinks: true });
    } finally {
      closeSync(top);
    }
  } catch (error) {
    if (!failedWith(error, "ENOENT") || below === "") throw error;
  }
  using parent = openParent(target, below);
  const full = pathOf(parent.directory, parent.name);
  mkdirSync(full, { mode: 0o755 });
  const made = ownerOf(target);
  if (made !== undefined) lchownSync(full, made.uid, made.gid);
  return openInRoot(parent.directory, parent.name, flags, { noLinks: true });
}

/** Whom something new is to belong to, as this host has it; undefined: to us, as it does. Without an entry: what no entry names. */
function ownerOf(
  { root, options: { owner } }: Target,
  entry?: TarEntry,
): { readonly uid: number; readonly gid: number } | undefined {
  if (typeof owner === "object") return ownerOutside(root, owner.uid, owner.gid);
  if (owner === "archive" && entry !== undefined) return ownerOutside(root, entry.uid, entry.gid);
  return root.idMap === undefined ? undefined : ownerOutside(root, 0, 0);
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

async function unpackEntry(target: Target, name: string, { entry, content }: TarContent): Promise<void> {
  // What is unpacked into is there, with its own attributes.
  if (name === "") return;
  using parent = openParent(target, name);
  const full = pathOf(parent.directory, parent.name);
  const isKept = makeRoom(full, parent, entry, target);
  const owner = ownerOf(target, entry);
  const chown = (to: (uid: number, gid: number) => void): void => {
    if (owner !== undefined) to(owner.uid, owner.gid);
  };
  if (entry.type === "directory") {
    if (!isKept) mkdirSync(full, { mode: 0o700 });
    const fd = openInRoot(parent.directory, parent.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, {
      noLinks: true,
    });
    try {
      chown((uid, gid) => fchownSync(fd, uid, gid));
      fchmodSync(fd, entry.mode);
    } finally {
      closeSync(fd);
    }
    setXattrs(full, entry.xattrs);
    return;
  }
  if (entry.type === "file") {
    const fd = openSync(full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      let size = 0;
      for await (const chunk of content) {
        throwIfAborted(target.options.signal);
        if (!isHole(chunk)) await writeSparse(fd, chunk, size);
        size += chunk.length;
      }
      // The end may be a hole too.
      ftruncateSync(fd, size);
      chown((uid, gid) => fchownSync(fd, uid, gid));
      fchmodSync(fd, entry.mode);
    } finally {
      closeSync(fd);
    }
    setXattrs(full, entry.xattrs);
  } else if (entry.type === "hardlink") {
    using first = openParent(target, cleanName(entry.linkTarget, target.shown));
    linkSync(pathOf(first.directory, first.name), full);
    return;
  } else {
    if (entry.type === "symlink") symlinkSync(bytesOf(entry.linkTarget), full);
    else mknod(full, S_IF[DEVICE_KINDS[entry.type]] | 0o600, entry.devMajor, entry.devMinor);
    chown((uid, gid) => lchownSync(full, uid, gid));
    if (entry.type !== "symlink") chmodNode(parent, entry.mode);
    setXattrs(full, entry.xattrs);
  }
  setTime(parent.directory, parent.name, entry);
}

const DEVICE_KINDS = { char: "CHR", block: "BLK", fifo: "FIFO" } as const;

/** chmod(2) of what must not be opened: a device, a pipe. */
function chmodNode({ directory, name }: Parent, mode: number): void {
  const fd = openInRoot(directory, name, O_PATH | O_NOFOLLOW, { noLinks: true });
  try {
    chmodPath(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}

/** Takes away what is in the way; true when a directory is already there and stays. */
function makeRoom(full: Buffer, parent: Parent, entry: TarEntry, { options, shown }: Target): boolean {
  const stat = lstatSync(full, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  const isDirectory = stat.isDirectory();
  if (isDirectory && entry.type === "directory") return true;
  if (options.keepKinds && isDirectory)
    throw new PlyError(
      "invalid",
      `cannot overwrite directory ${fullName(shown, entry)} with non-directory ${JSON.stringify(shown)}`,
    );
  if (options.keepKinds && entry.type === "directory")
    throw new PlyError(
      "invalid",
      `cannot overwrite non-directory ${fullName(shown, entry)} with directory ${JSON.stringify(shown)}`,
    );
  if (isDirectory) removeDirectory(parent.directory, parent.name);
  else unlinkSync(full);
  return false;
}

function fullName(shown: string, { path }: TarEntry): string {
  return quoteBytes(posix.join(Buffer.from(shown).toString("latin1"), path).replace(/\/$/, ""));
}

/** Never enters a link, nor what was put in a directory's place. */
function removeDirectory(directory: number, name: Buffer): void {
  const fd = openInRoot(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, { noLinks: true });
  try {
    for (const child of readdirSync(pathOf(fd, Buffer.alloc(0)), { encoding: "buffer" })) {
      const full = pathOf(fd, child);
      if (lstatSync(full).isDirectory()) removeDirectory(fd, child);
      else unlinkSync(full);
    }
  } finally {
    closeSync(fd);
  }
  rmdirSync(pathOf(directory, name));
}

function setTime(directory: number, name: Buffer, { mtimeSeconds, mtimeNanos }: TarEntry): void {
  const time = BigInt(mtimeSeconds) * NANOS + BigInt(mtimeNanos);
  utimensNs(pathOf(directory, name), time, time);
}

/** Blocks of zeros are left to the filesystem, which keeps holes for nothing: archives do not tell the one from the other. */
async function writeSparse(fd: number, chunk: Uint8Array, position: number): Promise<void> {
  let from = 0;
  for (let at = 0; at < chunk.length; ) {
    // Blocks of the file, not of the chunk.
    const end = Math.min(chunk.length, at + HOLE_BYTES - ((position + at) % HOLE_BYTES));
    const isZero = (to: number): boolean => ZEROS.compare(chunk, at, to, 0, to - at) === 0;
    if (chunk[at] !== 0 || !isZero(end)) {
      at = end;
      continue;
    }
    await writeAll(fd, chunk.subarray(from, at), position + from);
    // Holes are long: looked over in long steps.
    const far = Math.min(chunk.length, at + ZEROS.length);
    at = isZero(far) ? far : end;
    from = at;
  }
  await writeAll(fd, chunk.subarray(from), position + from);
}

async function writeAll(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await writeTo(fd, bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

function explained(error: unknown, name: string): unknown {
  const code = isPlyError(error) ? error.details["code"] : (error as NodeJS.ErrnoException).code;
  const about = (kind: "denied" | "limit" | "invalid", why: string, hint?: string) =>
    new PlyError(kind, `cannot write ${quoteBytes(name)}: ${why}`, {
      cause: error,
      details: { code },
      ...(hint === undefined ? {} : { hint }),
    });
  switch (code) {
    case "EROFS":
      return about("denied", "it is read-only there");
    case "EPERM":
    case "EACCES":
      return about("denied", "permission denied");
    case "ENOSPC":
    case "EDQUOT":
      return about("limit", "no space left on device");
    case "ELOOP":
      return about("invalid", "a symbolic link is in the way");
    case "EEXIST":
      return about("invalid", "something else is in the way, maybe a link that leads nowhere");
    case "ENOTDIR":
      return about("invalid", "not a directory");
    case "ENOENT":
      return about("invalid", "what it links to is not there");
    default:
      return error;
  }
}
