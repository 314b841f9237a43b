import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseIgnoreFile } from "../dockerfile/index.ts";
import { type ErrorKind, PlyError } from "../error.ts";
import { answeredError, type ErrorBody } from "../wire/index.ts";
import { type FileContents, tarOfDirectory, tarOfFiles } from "./archive.ts";
import type { EngineHttp } from "./http.ts";

export interface BuildOptions {
  /** A directory of this host, a tar, or the files themselves. */
  readonly context: string | AsyncIterable<Uint8Array> | FileContents;
  /** Within the context; `Dockerfile` when absent. */
  readonly dockerfile?: string;
  readonly tags?: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly noCache?: boolean;
  /** What the build says, piece by piece. */
  readonly onOutput?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Build {
  readonly id: string;
}

/** A step that failed: where it stands, how its command ended, what it printed last. */
export class BuildError extends PlyError {
  /** Line of the Dockerfile, from 1; undefined when no instruction is to blame. */
  readonly line: number | undefined;
  /** Of the command of a RUN. */
  readonly exitCode: number | undefined;
  /** The end of what the build printed. */
  readonly output: string;

  constructor(
    kind: ErrorKind,
    message: string,
    options: {
      readonly line?: number;
      readonly exitCode?: number;
      readonly output: string;
      readonly hint?: string;
    },
  ) {
    super(kind, message, options.hint === undefined ? {} : { hint: options.hint });
    this.line = options.line;
    this.exitCode = options.exitCode;
    this.output = options.output;
  }
}

/** One line of `POST /build`. */
interface BuildLine {
  readonly stream?: string;
  readonly aux?: { readonly ID?: string };
  readonly error?: string;
  readonly errorDetail?: ErrorBody & {
    readonly code?: number;
    readonly line?: number;
  };
}

/** What an error keeps of the build's words. */
const OUTPUT_KEPT = 16 * 1024;

export async function buildImage(http: EngineHttp, options: BuildOptions): Promise<Build> {
  const json = (value: object | undefined) => (value === undefined ? undefined : JSON.stringify(value));
  const lines = await http.lines<BuildLine>("POST", "/build", {
    query: {
      dockerfile: options.dockerfile,
      t: options.tags,
      buildargs: json(options.buildArgs),
      labels: json(options.labels),
      target: options.target,
      platform: options.platform,
      nocache: options.noCache,
      rm: true,
    },
    body: await contextOf(options),
    signal: options.signal,
  });
  let output = "";
  let id: string | undefined;
  for await (const { stream, aux, error, errorDetail } of lines) {
    if (stream !== undefined) {
      output = (output + stream).slice(-OUTPUT_KEPT);
      options.onOutput?.(stream);
    }
    id = aux?.ID ?? id;
    if (error !== undefined || errorDetail !== undefined)
      throw failure(errorDetail ?? { message: error ?? "" }, output);
  }
  if (id === undefined) throw new PlyError("unavailable", "the build broke off: the engine has gone");
  return { id };
}

function failure(detail: NonNullable<BuildLine["errorDetail"]>, output: string): BuildError {
  const { kind, message, hint } = answeredError(0, detail);
  return new BuildError(kind, message, {
    output,
    ...(detail.line === undefined ? {} : { line: detail.line }),
    ...(detail.code === undefined ? {} : { exitCode: detail.code }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A directory without what its ignore file names; the Dockerfile and the ignore file always go along. */
async function contextOf({ context, dockerfile = "Dockerfile" }: BuildOptions) {
  if (typeof context !== "string")
    return Symbol.asyncIterator in context
      ? (context as AsyncIterable<Uint8Array>)
      : tarOfFiles(context as FileContents);
  const text =
    (await readFile(join(context, `${dockerfile}.dockerignore`), "utf8").catch(absent)) ??
    (await readFile(join(context, ".dockerignore"), "utf8").catch(absent)) ??
    "";
  const ignore = parseIgnoreFile(text);
  const needed = new Set([dockerfile, ".dockerignore", `${dockerfile}.dockerignore`]);
  return tarOfDirectory(context, {
    isIgnored: (path) => !needed.has(path) && ignore.isIgnored(path),
    mayKeepBelow: (path) => ignore.mayKeepBelow(path) || dockerfile.startsWith(`${path}/`),
    owner: { uid: 0, gid: 0 },
  });
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
