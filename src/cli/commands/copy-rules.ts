import { posix } from "node:path";
import { ExitError } from "../failure.ts";

/** The rules of `docker cp`: who ends up where, under which name. Paths keep their final `/` and `/.`, which mean something. */

/** What a copy is of or into. */
export interface Endpoint {
  /** A container, an image or a volume; undefined: this host. */
  readonly place: string | undefined;
  readonly path: string;
}

/**
 * `NAME:/path`, `NAME:path` (no slash or dot first), or a path of this host. An image's name may have a colon itself
 * (`debian:12:/etc`): then the path must begin with a slash.
 */
export function parseEndpoint(word: string): Endpoint {
  if (word.startsWith("/") || word.startsWith(".")) return { place: undefined, path: word };
  const absolute = word.indexOf(":/");
  const colon = absolute >= 0 ? absolute : word.indexOf(":");
  if (colon < 0) return { place: undefined, path: word };
  return { place: word.slice(0, colon), path: word.slice(colon + 1) };
}

export interface Source {
  readonly path: string;
  readonly isDirectory: boolean;
  /** The name that the copy's top has instead of the last part of the path: that of a link that was followed. */
  readonly rename?: string | undefined;
}

export interface Destination {
  readonly path: string;
  /** Undefined: nothing is there. */
  readonly kind: "directory" | "other" | undefined;
}

/** Where to unpack, and how to call the top of what comes. */
export interface Plan {
  readonly directory: string;
  /** `from` → `to`; undefined: as it is. */
  readonly rename?: { readonly from: string; readonly to: string } | undefined;
}

/** Throws in Docker's words when it cannot be. */
export function planCopy(source: Source, destination: Destination): Plan {
  const from = source.rename ?? splitEntry(source.path).base;
  const { directory, base } = splitEntry(destination.path);
  if (destination.kind === "directory") return { directory: destination.path };
  if (destination.kind !== undefined && source.isDirectory) throw new ExitError(1, "cannot copy directory");
  if (destination.kind === undefined && !source.isDirectory && assertsDirectory(destination.path))
    throw new ExitError(1, "no such directory");
  return { directory, rename: { from, to: base } };
}

/** Directory and last name of a path; of `a/.` these are `a` and `.`. */
export function splitEntry(path: string): { readonly directory: string; readonly base: string } {
  const clean = cleaned(path);
  if (isCurrent(path)) return { directory: clean, base: "." };
  return { directory: posix.dirname(clean), base: posix.basename(clean) || "/" };
}

/** Without doubled slashes, inner dots and a final slash. */
export function cleaned(path: string): string {
  const normal = posix.normalize(path === "" ? "." : path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** True for `.`, `a/.`. */
function isCurrent(path: string): boolean {
  return posix.basename(path) === "." && !path.endsWith("/");
}

export function assertsDirectory(path: string): boolean {
  return path.endsWith("/") || isCurrent(path);
}

/** A followed link's target, asked for in the way the link was (`link/.` → `target/.`), and the name it goes by. */
export function followed(path: string, target: string): { readonly path: string; readonly rename?: string } {
  let resolved = target;
  if (isCurrent(path) && !isCurrent(resolved)) resolved += "/.";
  if (path.endsWith("/") && !resolved.endsWith("/")) resolved += "/";
  const name = nameOf(path);
  return name === nameOf(resolved) ? { path: resolved } : { path: resolved, rename: name };
}

/** Go's `filepath.Base`. */
export function nameOf(path: string): string {
  return posix.basename(path) || "/";
}
