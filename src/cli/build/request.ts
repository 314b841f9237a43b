import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import {
  findDirectory,
  isAddress,
  localDirectory,
  namedContext,
  type PreparedBuild,
  type PreparedContext,
  readDockerfile,
  readRules,
  usualDockerfile,
} from "../../build-request/index.ts";
import { PlyError } from "../../error.ts";
import { ExitError, UsageError } from "../failure.ts";
import type { Stdio } from "../terminal/index.ts";

export interface BuildPaths {
  /** `PATH | URL | -`. */
  readonly source: string;
  /** `-f`; "-": standard input. Several are one after the other. */
  readonly files: readonly string[];
  /** In place of the directory's own. */
  readonly ignoreFile: string | undefined;
  readonly named: readonly string[];
}

/** Reads the Dockerfile and the ignore rules. Throws UsageError, "not-found" and "invalid". */
export async function prepareBuild(paths: BuildPaths, stdio: Stdio): Promise<PreparedBuild> {
  const named = new Map(paths.named.map(parseNamed));
  const { source, files, ignoreFile } = paths;
  const [file, ...more] = files;
  if (more.length > 0 && (files.includes("-") || source === "-" || isAddress(source)))
    throw new UsageError("several -f are files of this host, for a directory of this host");
  if (isAddress(source))
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
  const directory = findDirectory(source);
  const first = file === "-" ? undefined : (file ?? usualDockerfile(directory));
  const dockerfile =
    first === undefined
      ? { text: await readAll(stdio.input()), name: "Dockerfile" }
      : joined(
          [first, ...more].map((each) => ({
            text: readDockerfile(each),
            name: shownName(directory, each),
          })),
        );
  const rules = ignoreFile === undefined ? readRules(directory, first) : readIgnoreFile(ignoreFile);
  return { dockerfile, main: localDirectory(directory, { rules }), named };
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

function shownName(directory: string, file: string): string {
  const inside = relative(directory, resolve(file));
  return inside.startsWith("..") ? file : inside;
}

/** `NAME=VALUE`, as {@link namedContext} has the value. */
function parseNamed(text: string): readonly [string, PreparedContext] {
  const equals = text.indexOf("=");
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (equals < 1 || value === "")
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--build-context": expected name=path`,
    );
  return [name, namedContext(name, value)];
}
