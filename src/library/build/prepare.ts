import { relative, resolve } from "node:path";
import {
  DOCKERFILES,
  findDirectory,
  isAddress,
  type LocalFiles,
  localDirectory,
  memberOf,
  namedContext,
  type PreparedBuild,
  readDockerfile,
  readRules,
  usualDockerfile,
} from "../../build-request/index.ts";
import { IGNORE_FILES, ownIgnoreFiles, parseIgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { type FileContents, fileOf } from "../archive.ts";
import type { DockerfileOptions } from "./options.ts";

/** Reads the Dockerfile and the ignore rules, where they are here. Throws "not-found" and "invalid". */
export function prepareBuild(options: DockerfileOptions): PreparedBuild {
  const named = new Map(
    Object.entries(options.contexts ?? {}).map(([name, given]) => [
      name,
      typeof given === "string" ? namedContext(name, given) : localFiles(given, { name }),
    ]),
  );
  return { ...mainOf(options), named };
}

function mainOf({ context, dockerfile }: DockerfileOptions): Omit<PreparedBuild, "named"> {
  const isText = typeof dockerfile === "object";
  const text = isText ? { text: dockerfile.text, name: "Dockerfile" } : undefined;
  if (context === undefined) {
    if (text === undefined)
      throw new PlyError("invalid", "a build without a context needs the text of its Dockerfile");
    return { main: { kind: "none" }, dockerfile: text };
  }
  const path = isText ? undefined : dockerfile;
  if (typeof context !== "string") {
    if (isStream(context))
      return { main: { kind: "archive" }, archive: context, dockerfile: text ?? { path: path ?? "" } };
    const main = localFiles(context, path === undefined ? {} : { dockerfile: path });
    return { main, dockerfile: text ?? dockerfileIn(main, path) };
  }
  if (isAddress(context))
    return { main: { kind: "address", address: context }, dockerfile: text ?? { path: path ?? "" } };
  const directory = findDirectory(context);
  if (text !== undefined)
    return { main: localDirectory(directory, { rules: readRules(directory) }), dockerfile: text };
  const file = path === undefined ? usualDockerfile(directory) : resolve(directory, path);
  return {
    main: localDirectory(directory, { rules: readRules(directory, file) }),
    dockerfile: { text: readDockerfile(file), name: relative(directory, file) },
  };
}

function isStream(context: object): context is AsyncIterable<Uint8Array> {
  return Symbol.asyncIterator in context;
}

function localFiles(
  contents: FileContents,
  { name, dockerfile }: { readonly name?: string; readonly dockerfile?: string },
): LocalFiles {
  const files = new Map(Object.entries(contents).map(([path, given]) => fileOf(path, given)));
  const own = ownIgnoreFiles(dockerfile ?? "Dockerfile");
  const rules = [...own, ...IGNORE_FILES].flatMap((path) => files.get(path) ?? [])[0];
  const written = rules === undefined ? undefined : textOf(rules.bytes);
  return { files, member: memberOf(name), rules: written, ignore: parseIgnoreFile(written ?? "") };
}

function dockerfileIn(
  { files }: LocalFiles,
  path: string | undefined,
): { readonly text: string; readonly name: string } {
  const names = path === undefined ? DOCKERFILES : [path];
  for (const name of names) {
    const found = files.get(name);
    if (found !== undefined) return { text: textOf(found.bytes), name };
  }
  throw new PlyError("not-found", `the context has no ${names[0]}`);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
