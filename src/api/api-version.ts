import { PlyError } from "../error.ts";

/** What we say we speak: the newest version whose client (docker 28.2) was seen to be content. */
export const API_VERSION = "1.50";
export const MIN_API_VERSION = "1.24";
/** Newer prefixes than we say are served all the same, up to the newest that was read: they only add. */
export const MAX_ACCEPTED_API_VERSION = "1.56";

const PREFIX = /^\/v(\d{1,4})\.(\d{1,4})(?=\/|$)/;

export interface VersionedPath {
  /** Without the prefix. */
  readonly path: string;
  /** Minor version asked for; of our own version when there was no prefix. */
  readonly minor: number;
}

/**
 * Takes `/v1.43` off a path. Never "client too old": clients pin old versions and go on working. Throws "invalid"
 * in Docker's words for a version that is too new.
 */
export function splitVersion(path: string): VersionedPath {
  const match = PREFIX.exec(path);
  if (match === null) return { path, minor: minorOf(API_VERSION) };
  const major = Number(match[1]);
  const minor = Number(match[2]);
  if (major > 1 || (major === 1 && minor > minorOf(MAX_ACCEPTED_API_VERSION)))
    throw new PlyError(
      "invalid",
      `client version ${major}.${minor} is too new. Maximum supported API version is ${MAX_ACCEPTED_API_VERSION}`,
    );
  return { path: path.slice(match[0].length) || "/", minor };
}

function minorOf(version: string): number {
  return Number(version.slice(version.indexOf(".") + 1));
}
