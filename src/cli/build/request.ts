import { existsSync, lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { IGNORE_FILES, type IgnoreFile, ownIgnoreFiles, parseIgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import type { PlyBuildContext, PlyBuildRequest } from "../../wire/index.ts";
import { ExitError, UsageError } from "../failure.ts";
import type { Stdio } from "../terminal/index.ts";

/** A directory of this host that a build sees. */
export interface LocalContext {
  readonly directory: string;
  /** Where it is in the archive, when it is sent. */
  readonly member: string;
  readonly ignore: IgnoreFile;
  readonly rules: string | undefined;
  /** It is an OCI layout: the tag or digest in it; "" for the usual one. */
  readonly image?: string;
}

/** What a command line comes to, before it is known whether the engine reads the directories itself. */
export interface PreparedBuild {
  readonly dockerfile: PlyBuildRequest["dockerfile"];
  readonly main: LocalContext | Exclude<PlyBuildContext, { readonly kind: "directory" }>;
  /** An archive on standard input: it is sent as it is. */
  readonly archive?: AsyncIterable<Uint8Array>;
  readonly named: ReadonlyMap<string, LocalContext | Exclude<NamedContext, { readonly kind: "directory" }>>;
}

type NamedContext = NonNullable<PlyBuildRequest["contexts"]>[string];

export interface BuildPaths {
  /** `PATH | URL | -`. */
  readonly source: string;
  /** `-f`; "-": standard input. Several are one after the other. */
  readonly files: readonly string[];
  /** In place of the directory's own. */
  readonly ignoreFile: string | undefined;
  readonly named: readonly string[];
}

const REMOTE = /^(?:(?:https?|git|ssh|git\+https?|git\+ssh):\/\/|[\w.-]+@[\w.-]+:|github\.com\/)/;

/** Reads the Dockerfile and the ignore rules. Throws UsageError, "not-found" and "invalid". */
export async function prepareBuild(paths: BuildPaths, stdio: Stdio): Promise<PreparedBuild> {
  const named = new Map(paths.named.map((text) => namedContext(text)));
  const { source, files, ignoreFile } = paths;
  const [file, ...more] = files;
  if (more.length > 0 && (files.includes("-") || source === "-" || REMOTE.test(source)))
    throw new UsageError("several -f are files of this host, for a directory of this host");
  if (REMOTE.test(source))
    return { dockerfile: { path: file ?? "" }, main: { kind: "address", address: source }, named };
  if (source === "-") {
    if (stdio.isTerminal("stdin"))
      throw new ExitError(
        1,
        "ply: a Dockerfile or an archive is expected on standard input, which is a terminal",
      );
    if (file === "-")
      throw new UsageError("invalid argument: can't use stdin for both build context and dockerfile");
    return { ...(await fromInput(stdio, file)), named };
  }
  const given = resolve(source);
  if (!existsSync(given))
    throw new PlyError("not-found", `unable to prepare context: path ${JSON.stringify(source)} not found`);
  const directory = realpathSync(given);
  if (!statSync(directory).isDirectory())
    throw new PlyError("invalid", `unable to prepare context: ${source} is not a directory`);
  const dockerfile =
    file === "-"
      ? { text: await readAll(stdio.input()), name: "Dockerfile" }
      : joined([file ?? usualFile(directory), ...more].map((each) => readDockerfile(directory, each)));
  const rules =
    ignoreFile === undefined
      ? readRules(directory, file === "-" ? undefined : (file ?? usualFile(directory)))
      : readIgnoreFile(ignoreFile);
  return { dockerfile, main: localContext(directory, "context", rules), named };
}

/** A Dockerfile alone, or an archive with one. */
async function fromInput(stdio: Stdio, file: string | undefined): Promise<Omit<PreparedBuild, "named">> {
  const source = stdio.input()[Symbol.asyncIterator]();
  const first = await source.next();
  const head = first.done === true ? Buffer.alloc(0) : Buffer.from(first.value);
  const rest: AsyncIterable<Uint8Array> = (async function* () {
    yield head;
    yield* { [Symbol.asyncIterator]: () => source };
  })();
  if (isArchive(head)) return { dockerfile: { path: file ?? "" }, main: { kind: "archive" }, archive: rest };
  return { dockerfile: { text: await readAll(rest), name: "Dockerfile" }, main: { kind: "none" } };
}

/** By its first bytes: gzip, zstd, bzip2, xz; a tar, however old, by zeros, which no text has. */
function isArchive(head: Buffer): boolean {
  const magics = ["1f8b", "28b52ffd", "425a68", "fd377a585a00"];
  return head.includes(0) || magics.some((magic) => head.toString("hex", 0, 6).startsWith(magic));
}

async function readAll(input: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function usualFile(directory: string): string {
  const names = ["Dockerfile", "dockerfile", "Containerfile"].map((name) => join(directory, name));
  return names.find((path) => existsSync(path)) ?? join(directory, "Dockerfile");
}

function joined(files: readonly { readonly text: string; readonly name: string }[]): {
  readonly text: string;
  readonly name: string;
} {
  return { text: files.map(({ text }) => text).join("\n"), name: files.map(({ name }) => name).join(" + ") };
}

function readIgnoreFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new PlyError("not-found", `--ignorefile: cannot read ${path}`, { cause });
  }
}

function readDockerfile(directory: string, file: string): { readonly text: string; readonly name: string } {
  try {
    return { text: readFileSync(file, "utf8"), name: shownName(directory, file) };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new PlyError(
      code === "ENOENT" ? "not-found" : "denied",
      `failed to read dockerfile: open ${file}: ${code === "ENOENT" ? "no such file or directory" : code}`,
      { cause, hint: "-f names another one" },
    );
  }
}

function shownName(directory: string, file: string): string {
  const inside = relative(directory, resolve(file));
  return inside.startsWith("..") ? file : inside;
}

/** The Dockerfile's own ignore file stands before the directory's. */
function readRules(directory: string, file: string | undefined): string | undefined {
  const candidates = [
    ...(file === undefined ? [] : ownIgnoreFiles(file)),
    ...IGNORE_FILES.map((name) => join(directory, name)),
  ];
  for (const path of candidates) if (existsSync(path)) return readFileSync(path, "utf8");
  return undefined;
}

function localContext(directory: string, member: string, rules: string | undefined): LocalContext {
  return { directory, member, rules, ignore: parseIgnoreFile(rules ?? "") };
}

const LAYOUT = "oci-layout://";

/** `DIR[:TAG][@DIGEST]`. */
function layoutContext(name: string, value: string): LocalContext {
  const [, path = "", tag = "", digest = ""] =
    /^(.*?)(?::([\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(value) ?? [];
  if (!existsSync(join(path, "index.json")))
    throw new PlyError(
      "not-found",
      `--build-context ${name}: ${path} is no OCI layout: it has no index.json`,
    );
  const directory = realpathSync(resolve(path));
  return { ...localContext(directory, `contexts/${name}`, undefined), image: digest || tag };
}

/** `NAME=PATH|URL|docker-image://REF|oci-layout://DIR`. */
function namedContext(
  text: string,
): readonly [string, LocalContext | Exclude<NamedContext, { readonly kind: "directory" }>] {
  const equals = text.indexOf("=");
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (equals < 1 || value === "")
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--build-context": expected name=path`,
    );
  if (value.startsWith("docker-image://"))
    return [name, { kind: "image", name: value.slice("docker-image://".length) }];
  if (value.startsWith(LAYOUT)) return [name, layoutContext(name, value.slice(LAYOUT.length))];
  if (REMOTE.test(value)) return [name, { kind: "address", address: value }];
  if (!existsSync(value) || !statSync(value).isDirectory())
    throw new PlyError("not-found", `--build-context ${name}: ${value} is not a directory`);
  const directory = realpathSync(resolve(value));
  return [name, localContext(directory, `contexts/${name}`, readRules(directory, undefined))];
}

/** How a directory is named to an engine that may read it itself. */
export function directoryContext({ directory, rules }: LocalContext): PlyBuildContext {
  const stat = lstatSync(directory, { bigint: true });
  return {
    kind: "directory",
    path: directory,
    device: String(stat.dev),
    inode: String(stat.ino),
    ...(rules === undefined ? {} : { ignore: rules }),
  };
}
