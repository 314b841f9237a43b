import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { IGNORE_FILES, type IgnoreFile, ownIgnoreFiles, parseIgnoreFile } from "../dockerfile/index.ts";
import { codeOf, PlyError } from "../error.ts";
import { reasonOf } from "../host-file.ts";
import type { PlyBuildContext, PlyBuildRequest } from "../wire/index.ts";

interface Local {
  /** Where it is in the archive, when it is sent. */
  readonly member: string;
  readonly ignore: IgnoreFile;
  /** As `ignore` was written; undefined: there are no rules. */
  readonly rules: string | undefined;
}

/** A directory of this host that a build sees. */
export interface LocalDirectory extends Local {
  readonly directory: string;
  /** It is an OCI layout: the tag or digest in it; "" for the usual one. */
  readonly image?: string;
}

/** Files that exist only here, by path. */
export interface LocalFiles extends Local {
  readonly files: ReadonlyMap<string, { readonly bytes: Uint8Array; readonly mode: number }>;
}

export type LocalContext = LocalDirectory | LocalFiles;
type NamedContext = NonNullable<PlyBuildRequest["contexts"]>[string];
export type NotLocal<Context extends { readonly kind: string }> = Exclude<
  Context,
  { readonly kind: "directory" | "sent" }
>;
export type PreparedContext = LocalContext | NotLocal<NamedContext>;

/** What is to be built, before it is known whether the engine reads the directories itself. */
export interface PreparedBuild {
  readonly dockerfile: PlyBuildRequest["dockerfile"];
  readonly main: LocalContext | NotLocal<PlyBuildContext>;
  /** Of a main context that is an archive: it is sent as it is. */
  readonly archive?: AsyncIterable<Uint8Array>;
  readonly named: ReadonlyMap<string, PreparedContext>;
}

/** Whether files of this machine go along with the request. */
export function isLocal(context: PreparedBuild["main"] | PreparedContext): context is LocalContext {
  return "member" in context;
}

/** Throws "not-found", and "invalid" for what is no directory, in docker's words. */
export function findDirectory(source: string): string {
  const given = resolve(source);
  if (!existsSync(given))
    throw new PlyError("not-found", `unable to prepare context: path ${JSON.stringify(source)} not found`);
  const directory = realpathSync(given);
  if (!statSync(directory).isDirectory())
    throw new PlyError("invalid", `unable to prepare context: ${source} is not a directory`);
  return directory;
}

/** The context itself, or, with a name, a named one. */
export function localDirectory(
  directory: string,
  { name, rules }: { readonly name?: string; readonly rules: string | undefined },
): LocalDirectory {
  return { directory, rules, member: memberOf(name), ignore: parseIgnoreFile(rules ?? "") };
}

/** Where a context is in the archive. */
export function memberOf(name: string | undefined): string {
  return name === undefined ? "context" : `contexts/${name}`;
}

/** The rules of a directory; those of the Dockerfile's own ignore file stand before them. */
export function readRules(directory: string, dockerfile?: string): string | undefined {
  const candidates = [
    ...(dockerfile === undefined ? [] : ownIgnoreFiles(dockerfile)),
    ...IGNORE_FILES.map((name) => join(directory, name)),
  ];
  for (const path of candidates) if (existsSync(path)) return readFileSync(path, "utf8");
  return undefined;
}

/** What a Dockerfile is called, best first. */
export const DOCKERFILES: readonly string[] = ["Dockerfile", "dockerfile", "Containerfile"];

/** The directory's Dockerfile. */
export function usualDockerfile(directory: string): string {
  const paths = DOCKERFILES.map((name) => join(directory, name));
  return paths.find((path) => existsSync(path)) ?? join(directory, "Dockerfile");
}

/** Throws "not-found" and "denied" in docker's words. */
export function readDockerfile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const code = codeOf(cause);
    throw new PlyError(
      code === "ENOENT" ? "not-found" : "denied",
      `failed to read dockerfile: open ${file}: ${reasonOf(cause)}`,
      { cause, hint: "another file can be named, with ply build by -f" },
    );
  }
}

const REMOTE = /^(?:(?:https?|git|ssh|git\+https?|git\+ssh):\/\/|[\w.-]+@[\w.-]+:|github\.com\/)/;

/** A repository, an archive or a Dockerfile somewhere else, which the engine fetches. */
export function isAddress(source: string): boolean {
  return REMOTE.test(source);
}

const IMAGE = "docker-image://";
const LAYOUT = "oci-layout://";

/** `PATH|URL|docker-image://REF|oci-layout://DIR`. Throws "not-found". */
export function namedContext(name: string, value: string): PreparedContext {
  if (value.startsWith(IMAGE)) return { kind: "image", name: value.slice(IMAGE.length) };
  if (value.startsWith(LAYOUT)) return layoutContext(name, value.slice(LAYOUT.length));
  if (isAddress(value)) return { kind: "address", address: value };
  if (!existsSync(value) || !statSync(value).isDirectory())
    throw new PlyError("not-found", `build context ${name}: ${value} is not a directory`);
  const directory = realpathSync(resolve(value));
  return localDirectory(directory, { name, rules: readRules(directory) });
}

/** `DIR[:TAG][@DIGEST]`. */
function layoutContext(name: string, value: string): LocalDirectory {
  const [, path = "", tag = "", digest = ""] =
    /^(.*?)(?::([\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(value) ?? [];
  if (!existsSync(join(path, "index.json")))
    throw new PlyError("not-found", `build context ${name}: ${path} is no OCI layout: it has no index.json`);
  const directory = realpathSync(resolve(path));
  return { ...localDirectory(directory, { name, rules: undefined }), image: digest || tag };
}

/** What tells an engine that it looks at the same directory. */
export function directoryIdentity(directory: string): {
  readonly path: string;
  readonly device: string;
  readonly inode: string;
} {
  const stat = lstatSync(directory, { bigint: true });
  return { path: directory, device: String(stat.dev), inode: String(stat.ino) };
}
