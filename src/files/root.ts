import { closeSync, constants, openSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { PlyError } from "../error.ts";
import { failedWith, type IdMap, insideId, openInRoot, outsideId } from "../linux/index.ts";

export const O_PATH = 0o10000000;
const { O_DIRECTORY, O_RDONLY } = constants;
/** As the kernel's own bound on links in one path (MAXSYMLINKS). */
const LINK_LIMIT = 40;

/** A directory that paths are resolved in and never lead out of. Whoever opened it disposes it. */
export interface Root extends Disposable {
  readonly fd: number;
  /** Whom the owners inside are out here, where we look; absent: themselves. */
  readonly idMap?: IdMap | undefined;
}

/** Opens a directory of this host as a root; the links of `path` itself are followed as usual. */
export function openRoot(path: string, idMap?: IdMap): Root {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  return { fd, idMap, [Symbol.dispose]: () => closeSync(fd) };
}

/** Owners as the root's own users know them. */
export function ownerInside({ idMap }: Root, uid: number, gid: number): { uid: number; gid: number } {
  if (idMap === undefined) return { uid, gid };
  return { uid: insideId(idMap.uids, uid), gid: insideId(idMap.gids, gid) };
}

/** Owners as this host has them. Throws "invalid" for one that the root cannot have. */
export function ownerOutside({ idMap }: Root, uid: number, gid: number): { uid: number; gid: number } {
  if (idMap === undefined) return { uid, gid };
  const owner = { uid: outsideId(idMap.uids, uid), gid: outsideId(idMap.gids, gid) };
  if (owner.uid === undefined || owner.gid === undefined)
    throw new PlyError("invalid", `the user namespace has no user ${uid}:${gid}`);
  return { uid: owner.uid, gid: owner.gid };
}

/** A directory held open, and the name of something in it: whatever is renamed meanwhile, it is in that directory. */
export interface Place extends Disposable {
  readonly directory: number;
  /** One component, bytes; empty: the directory itself. */
  readonly name: Buffer;
}

/** The path of a place for calls that do not follow its last link; only good while the place is open. */
export function pathOf(directory: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name.length === 0 ? DOT : name]);
}

const DOT = Buffer.from(".");

/** `path` cleaned and made absolute, with its final `/` or `/.` kept: they say that a directory is meant. */
export function absolute(path: string): string {
  const clean = posix.join("/", path);
  const plain = clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
  if (/(?:^|\/)\.$/.test(path)) return plain === "/" ? "/." : `${plain}/.`;
  return path.endsWith("/") && plain !== "/" ? `${plain}/` : plain;
}

/** Finds a path as lstat(2) would: links on the way are followed within the root, the last one is not. */
export function findPlace(root: Root, path: string): Place {
  const whole = absolute(path);
  const slash = whole.lastIndexOf("/");
  const base = whole.slice(slash + 1);
  const directory = openInRoot(root.fd, whole.slice(0, slash + 1), O_PATH | O_DIRECTORY);
  return {
    directory,
    name: Buffer.from(base === "." ? "" : base),
    [Symbol.dispose]: () => closeSync(directory),
  };
}

/** Where a path leads once all its links are followed, within the root; what does not exist is kept as it is. Only to be shown. */
export function followedPath(root: Root, path: string): string {
  const resolved: string[] = [];
  const todo = path.split("/").reverse();
  for (let links = 0; ; ) {
    const part = todo.pop();
    if (part === undefined) return `/${resolved.join("/")}`;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    const target = linkAt(root, resolved.join("/"), part);
    if (target === undefined) {
      resolved.push(part);
      continue;
    }
    if (++links > LINK_LIMIT) throw new PlyError("invalid", `too many symbolic links in ${path}`);
    if (target.startsWith("/")) resolved.length = 0;
    todo.push(...target.split("/").reverse());
  }
}

function linkAt(root: Root, directory: string, name: string): string | undefined {
  let fd: number;
  try {
    fd = openInRoot(root.fd, directory, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (failedWith(error, "ENOENT") || failedWith(error, "ENOTDIR")) return undefined;
    throw error;
  }
  try {
    return readlinkSync(pathOf(fd, Buffer.from(name)), "utf8");
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** False when a path (its links followed) is on something that is mounted in the root. */
export function isOnRootMount(root: Root, path: string): boolean {
  try {
    closeSync(openInRoot(root.fd, path, O_PATH, { sameMount: true }));
    return true;
  } catch (error) {
    return !failedWith(error, "EXDEV");
  }
}
