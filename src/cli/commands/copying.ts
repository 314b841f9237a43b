import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { codeOf, isPlyError, messageOf, PlyError } from "../../error.ts";
import { openRoot, pack, statPath, unpack } from "../../files/index.ts";
import { createTarScanner } from "../../tar/index.ts";
import { type DockerPathStat, decodePathStat, hasGoMode, PATH_STAT_HEADER } from "../../wire/index.ts";
import type { EngineClient } from "../client/index.ts";
import { ExitError } from "../failure.ts";
import {
  assertsDirectory,
  cleaned,
  type Destination,
  followed,
  nameOf,
  type Source,
  splitEntry,
} from "./copy-rules.ts";
import { segment } from "./ids.ts";

/** The two kinds of ends that a copy has: a place of the engine's, and this host. */

export interface CopyOptions {
  readonly archive: boolean;
  readonly followLink: boolean;
  /** Sparse files are read as such: what reads the archive is ours. */
  readonly keepHoles: boolean;
  readonly signal: AbortSignal;
}

/** Something to copy. `open` gives its tar, the top called `as`. */
export interface OpenSource {
  readonly source: Source;
  /** Name of the top in what `open` gives when `as` is not given. */
  open(as: string | undefined): Promise<AsyncIterable<Uint8Array>>;
}

/** Where a copy goes; `write` unpacks into a directory of it. */
export interface OpenDestination {
  readonly destination: Destination;
  write(directory: string, archive: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Counts the bytes of an archive as if its sparse files had no holes. */
export async function* counted(
  archive: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const scanner = createTarScanner({ onEntry: ({ size, storedSize }) => count(size - storedSize) });
  for await (const chunk of archive) {
    count(chunk.length);
    scanner.push(chunk);
    yield chunk;
  }
}

const LINK_LIMIT = 10;

/** Absolute, with its final `/` or `/.`. */
export function localPath(path: string): string {
  const whole = resolve(path);
  if (/(?:^|\/)\.$/.test(path)) return whole === "/" ? "/." : `${whole}/.`;
  return path.endsWith("/") && whole !== "/" ? `${whole}/` : whole;
}

export function hostSource(given: string, { followLink, keepHoles, signal }: CopyOptions): OpenSource {
  const path = localPath(given);
  const target = followLink ? followed(path, realPathOf(path, given)) : { path };
  const root = openRoot("/");
  let isDirectory: boolean;
  try {
    isDirectory = statPath(root, target.path).type === "directory";
  } catch (error) {
    root[Symbol.dispose]();
    throw isPlyError(error, "not-found") ? noSuchFile(given, error) : error;
  }
  const name = target.rename ?? splitEntry(target.path).base;
  return {
    source: { ...target, isDirectory },
    open: async (as = name) => closing(pack(root, target.path, { as, keepHoles, signal }), root),
  };
}

async function* closing(chunks: AsyncIterable<Uint8Array>, root: Disposable): AsyncGenerator<Uint8Array> {
  using _ = root;
  yield* chunks;
}

function realPathOf(path: string, given: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw noSuchFile(given, error);
  }
}

function noSuchFile(path: string, cause: unknown): PlyError {
  return new PlyError("not-found", `no such file or directory: ${path}`, { cause });
}

export function hostDestination(given: string, { archive, signal }: CopyOptions): OpenDestination {
  let path = localPath(given);
  const parent = posix.dirname(cleaned(path));
  if (statSync(parent, { throwIfNoEntry: false }) === undefined)
    throw new ExitError(1, `invalid output path: directory ${JSON.stringify(parent)} does not exist`);
  for (let links = 0; lstatOf(path)?.isSymbolicLink(); links++) {
    if (links === LINK_LIMIT) throw new ExitError(1, `too many symbolic links in ${JSON.stringify(given)}`);
    path = resolve(posix.dirname(cleaned(path)), readlinkSync(path));
  }
  const found = lstatOf(path);
  if (found !== undefined && !found.isDirectory() && !found.isFile())
    throw new ExitError(
      1,
      `invalid output path: ${JSON.stringify(given)} must be a directory or a regular file`,
    );
  const kind = found === undefined ? undefined : found.isDirectory() ? "directory" : "other";
  if (kind === "other" && assertsDirectory(path))
    throw new ExitError(1, `${JSON.stringify(given)} is not a directory`);
  return {
    destination: { path, kind },
    async write(directory, chunks) {
      using root = openRoot(directory);
      const owner = archive && process.getuid?.() === 0 ? "archive" : "caller";
      await unpack(root, ".", chunks, { keepKinds: true, owner, links: "refuse", signal });
    },
  };
}

function lstatOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A part of the path is a file.
    if (codeOf(error) === "ENOTDIR") return lstatSync(cleaned(path));
    throw new ExitError(1, messageOf(error));
  }
}

const archiveOf = (place: string): string => `/ply/places/${segment(place)}/archive`;

/** Undefined when there is no such path; a place that does not exist is an error. */
async function statIn(
  engine: EngineClient,
  place: string,
  path: string,
  signal: AbortSignal,
): Promise<DockerPathStat | undefined> {
  const { status, headers } = await engine.request("HEAD", archiveOf(place), {
    query: { path },
    accept: [404],
    signal,
  });
  if (status !== 404) return decodePathStat(headers.get(PATH_STAT_HEADER.toLowerCase()));
  // An answer without a body does not say what is missing.
  await engine.json("GET", `/ply/places/${segment(place)}/list`, { query: { path: "/" }, signal });
  return undefined;
}

export async function placeSource(
  engine: EngineClient,
  place: string,
  given: string,
  { followLink, keepHoles, signal }: CopyOptions,
): Promise<OpenSource> {
  let target: { readonly path: string; readonly rename?: string } = { path: given };
  if (followLink) {
    const stat = await statIn(engine, place, given, signal);
    if (stat !== undefined && hasGoMode(stat, "symlink")) target = followed(given, stat.linkTarget);
  }
  const { headers, body } = await engine.request("GET", archiveOf(place), {
    query: { path: target.path, holes: keepHoles },
    signal,
  });
  const stat = decodePathStat(headers.get(PATH_STAT_HEADER.toLowerCase()));
  if (stat === undefined) throw new PlyError("corrupt", "the engine's answer does not say what the path is");
  const base = nameOf(target.path);
  return {
    source: { ...target, isDirectory: hasGoMode(stat, "directory") },
    async open(as = target.rename) {
      if (as === undefined || as === base) return body;
      const { renameEntries } = await import("./rename-entries.ts");
      return renameEntries(body, base, as);
    },
  };
}

export async function placeDestination(
  engine: EngineClient,
  place: string,
  given: string,
  { archive, signal }: CopyOptions,
): Promise<OpenDestination> {
  let path = given;
  let stat = await statIn(engine, place, given, signal);
  if (stat !== undefined && hasGoMode(stat, "symlink")) {
    path = stat.linkTarget;
    stat = await statIn(engine, place, path, signal);
  }
  for (const kind of ["device", "fifo", "socket"] as const)
    if (stat !== undefined && hasGoMode(stat, kind))
      throw new ExitError(
        1,
        `destination "${place}:${given}" must be a directory or a regular file: got a ${kind}`,
      );
  const kind = stat === undefined ? undefined : hasGoMode(stat, "directory") ? "directory" : "other";
  return {
    destination: { path, kind },
    async write(directory, chunks) {
      const { body } = await engine.request("PUT", archiveOf(place), {
        query: { path: directory, noOverwriteDirNonDir: true, copyUIDGID: archive },
        body: chunks,
        signal,
      });
      for await (const _ of body);
    },
  };
}
