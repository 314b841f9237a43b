import {
  chmodSync as chmodPath,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { posix } from "node:path";
import { PlyError, throwIfAborted } from "../error.ts";
import { failedWith, isGone, mknod, openInRoot, S_IF, utimensNs } from "../linux/index.ts";
import { byteString, bytesOf, createTarScanner, quoteBytes, type TarEntry } from "../tar/index.ts";
import { setXattrs } from "./attributes.ts";
import { createFileWriter } from "./file-writer.ts";
import { O_PATH, ownerOutside, pathOf, type Root } from "./root.ts";
import { notThere } from "./stat.ts";
import { explained } from "./write-error.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const NANOS = 1_000_000_000n;
const NAME_LIMIT = 255;

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
  /** What is made in place of an entry: of the same kind, with another name or other attributes. */
  readonly changed?: (entry: TarEntry) => TarEntry;
  /** Device nodes; they are made unless this says otherwise. */
  readonly devices?: "make" | "leave out";
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
  using parents = createParents(target);
  const times: (readonly [path: string, entry: TarEntry])[] = [];
  let entries = 0;
  let bytes = 0;
  let entry: TarEntry | undefined;
  let file: OpenFile | undefined;
  const endFile = (): void => {
    const ended = file;
    file = undefined;
    ended?.end();
  };
  const take = (piece: Piece): Promise<void> | undefined => {
    throwIfAborted(options.signal);
    if (piece instanceof Uint8Array) return file?.write(piece);
    endFile();
    if (piece === "end") return undefined;
    entry = options.changed === undefined ? piece : options.changed(piece);
    const name = cleanName(entry.path, path);
    file = unpackEntry(target, parents, name, entry);
    entries++;
    bytes += entry.type === "file" ? entry.size : 0;
    if (entry.type === "directory" && name !== "") times.push([name, entry]);
    return undefined;
  };
  try {
    for await (const pieces of piecesOf(archive))
      for (const piece of pieces)
        try {
          // Most take no time, and waiting would.
          const writing = take(piece);
          if (writing !== undefined) await writing;
        } catch (error) {
          throw entry === undefined ? error : explained(error, entry);
        }
  } finally {
    file?.close();
  }
  // A directory's time changes with what is put in it, and nothing could be put into one that its owner may not write to.
  for (const [name, entry] of times.reverse())
    try {
      const parent = parents.of(name);
      if (!isOpen(entry)) chmodNode(parent, entry.mode, O_DIRECTORY);
      setTime(parent, entry);
    } catch (error) {
      if (!isGone(error) && !failedWith(error, "ELOOP") && !failedWith(error, "ENOTDIR")) throw error;
    }
  return { entries, bytes };
}

/** A directory's owner may do everything in it. */
function isOpen({ mode }: TarEntry): boolean {
  return (mode & OPEN_MODE) === OPEN_MODE;
}

const OPEN_MODE = 0o700;

/** What an archive is made of, in order: entries, each with its stored data after it. */
type Piece = TarEntry | Uint8Array | "end";

/** The pieces of one chunk after the other; their bytes are good until the next are asked for. */
async function* piecesOf(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Piece[], void, void> {
  let pieces: Piece[] = [];
  const scanner = createTarScanner({
    onEntry: (entry) => void pieces.push(entry),
    onData: (data) => void pieces.push(data),
  });
  for await (const chunk of archive) {
    scanner.push(chunk);
    yield pieces;
    pieces = [];
  }
  scanner.end();
  yield ["end"];
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
  return byteString(path);
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

/** Something of the archive in the open directory that it lies in. */
interface Parent {
  readonly directory: number;
  readonly name: Buffer;
  /** For calls that do not follow links. */
  readonly full: Buffer;
}

interface Parents extends Disposable {
  /** Opens the directory that `name` lies in, making what is missing of it. Good until the next call. */
  of(name: string): Parent;
  /** Something is taken away that may be on the way to what is open: the next one is looked for again. */
  forget(): void;
}

/** The last directory is kept open: neighbours come one after the other. */
function createParents(target: Target): Parents {
  let last: { below: string | undefined; readonly fd: number } | undefined;
  const close = (): void => {
    const closing = last;
    last = undefined;
    if (closing !== undefined) closeSync(closing.fd);
  };
  return {
    of(path) {
      const slash = path.lastIndexOf("/");
      const below = slash < 0 ? "" : path.slice(0, slash);
      if (last?.below !== below) {
        close();
        last = { below, fd: openDirectory(target, below) };
      }
      const name = bytesOf(path.slice(slash + 1));
      return { directory: last.fd, name, full: pathOf(last.fd, name) };
    },
    forget() {
      if (last !== undefined) last.below = undefined;
    },
    [Symbol.dispose]: close,
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
  using parents = createParents(target);
  const { directory, name, full } = parents.of(below);
  mkdirSync(full, { mode: 0o755 });
  const made = ownerOf(target);
  if (made !== undefined) lchownSync(full, made.uid, made.gid);
  return openInRoot(directory, name, flags, { noLinks: true });
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

/** A file whose data are to come. */
interface OpenFile {
  write(stored: Uint8Array): Promise<void> | undefined;
  /** When all data were written; closes it too. */
  end(): void;
  close(): void;
}

function unpackEntry(target: Target, parents: Parents, name: string, entry: TarEntry): OpenFile | undefined {
  // What is unpacked into is there, with its own attributes.
  if (name === "") return undefined;
  const isDevice = entry.type === "char" || entry.type === "block";
  if (isDevice && target.options.devices === "leave out") return undefined;
  const parent = parents.of(name);
  const { directory, full } = parent;
  const isKept = makeRoom(parent, parents, entry, target);
  const owner = ownerOf(target, entry);
  const chown = (to: (uid: number, gid: number) => void): void => {
    if (owner !== undefined) to(owner.uid, owner.gid);
  };
  if (entry.type === "file") return createFile(parent, entry, owner);
  if (entry.type === "directory") {
    if (!isKept) mkdirSync(full, { mode: 0o700 });
    const fd = openInRoot(directory, parent.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, { noLinks: true });
    try {
      chown((uid, gid) => fchownSync(fd, uid, gid));
      fchmodSync(fd, entry.mode | OPEN_MODE);
    } finally {
      closeSync(fd);
    }
    setXattrs(full, entry.xattrs);
    return undefined;
  }
  if (entry.type === "hardlink") {
    using others = createParents(target);
    linkSync(others.of(cleanName(entry.linkTarget, target.shown)).full, full);
    return undefined;
  }
  if (entry.type === "symlink") symlinkSync(bytesOf(entry.linkTarget), full);
  else mknod(full, S_IF[DEVICE_KINDS[entry.type]] | 0o600, entry.devMajor, entry.devMinor);
  chown((uid, gid) => lchownSync(full, uid, gid));
  if (entry.type !== "symlink") chmodNode(parent, entry.mode);
  setXattrs(full, entry.xattrs);
  setTime(parent, entry);
  return undefined;
}

function createFile(parent: Parent, entry: TarEntry, owner: ReturnType<typeof ownerOf>): OpenFile {
  const fd = openSync(parent.full, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  const close = () => closeSync(fd);
  try {
    const writer = createFileWriter(fd, entry);
    return {
      write: writer.write,
      end() {
        try {
          writer.end();
          if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
          fchmodSync(fd, entry.mode);
        } finally {
          close();
        }
        setXattrs(parent.full, entry.xattrs);
        setTime(parent, entry);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

const DEVICE_KINDS = { char: "CHR", block: "BLK", fifo: "FIFO" } as const;

/** chmod(2) of what must not, or cannot, be opened: a device, a pipe, a directory that its owner may not read. */
function chmodNode({ directory, name }: Parent, mode: number, flags = 0): void {
  const fd = openInRoot(directory, name, O_PATH | O_NOFOLLOW | flags, { noLinks: true });
  try {
    chmodPath(`/proc/self/fd/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}

/** Takes away what is in the way; true when a directory is already there and stays. */
function makeRoom(parent: Parent, parents: Parents, entry: TarEntry, { options, shown }: Target): boolean {
  const { directory, name, full } = parent;
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
  if (isDirectory || stat.isSymbolicLink()) parents.forget();
  if (isDirectory) removeDirectory(directory, name);
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

function setTime({ full }: Parent, { mtimeSeconds, mtimeNanos }: TarEntry): void {
  const time = BigInt(mtimeSeconds) * NANOS + BigInt(mtimeNanos);
  utimensNs(full, time, time);
}
