import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseIgnoreFile } from "../dockerfile/index.ts";
import { type ErrorKind, PlyError } from "../error.ts";
import { answeredError, type PlyBuildMessage, type PlyBuildRequest, STATUS_OF_KIND } from "../wire/index.ts";
import { type FileContents, tarOfDirectory, tarOfFiles } from "./archive.ts";
import type { EngineHttp } from "./http.ts";

export interface BuildOptions {
  /** A directory of this host, a tar, or the files themselves. */
  readonly context: string | AsyncIterable<Uint8Array> | FileContents;
  /** Within the context; `Dockerfile` when absent. */
  readonly dockerfile?: string;
  readonly tags?: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** For `RUN --mount=type=secret`, by id. */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
  readonly target?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly noCache?: boolean;
  /** Each step as it begins and ends, with all that it prints. */
  readonly onProgress?: (message: PlyBuildMessage) => void;
  readonly signal?: AbortSignal;
}

export interface Build {
  readonly id: string;
  readonly names: readonly string[];
}

/** A step that failed: where it stands, how its command ended, what it printed last. */
export class BuildError extends PlyError {
  /** Line of the Dockerfile, from 1; undefined when no instruction is to blame. */
  readonly line: number | undefined;
  /** Of the command of a RUN. */
  readonly exitCode: number | undefined;
  /** The end of what the step printed. */
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
    super(kind, message, {
      details: { status: STATUS_OF_KIND[kind] },
      ...(options.hint === undefined ? {} : { hint: options.hint }),
    });
    this.line = options.line;
    this.exitCode = options.exitCode;
    this.output = options.output;
  }
}

/** What an error keeps of what the step printed. */
const OUTPUT_KEPT = 16 * 1024;

export async function buildImage(http: EngineHttp, options: BuildOptions): Promise<Build> {
  const secrets = Object.entries(options.secrets ?? {}).map(
    ([id, value]) => [id, Buffer.from(value).toString("base64")] as const,
  );
  const { target, platform, buildArgs, labels, noCache } = options;
  const request: PlyBuildRequest = {
    context: { kind: "archive" },
    dockerfile: { path: options.dockerfile ?? "Dockerfile" },
    names: options.tags ?? [],
    secrets: Object.fromEntries(secrets),
    ...(buildArgs === undefined ? {} : { buildArgs }),
    ...(labels === undefined ? {} : { labels }),
    ...(target === undefined ? {} : { target }),
    ...(platform === undefined ? {} : { platforms: [platform] }),
    ...(noCache === undefined ? {} : { noCache }),
  };
  const messages = await http.lines<PlyBuildMessage>("POST", "/ply/build", {
    body: requestThen(request, await contextOf(options)),
    signal: options.signal,
  });
  const printed = new Map<number, string>();
  let failed: number | undefined;
  for await (const message of messages) {
    options.onProgress?.(message);
    if (message.type === "built") return { id: message.id, names: message.names };
    if (message.type === "error") throw failure(message, printed.get(failed ?? -1) ?? "");
    if (message.type === "step" && message.state === "failed") failed = message.step.number;
    if (message.type === "output")
      printed.set(message.number, ((printed.get(message.number) ?? "") + message.text).slice(-OUTPUT_KEPT));
  }
  throw new PlyError("unavailable", "the build broke off: the engine has gone");
}

function failure(message: PlyBuildMessage & { readonly type: "error" }, output: string): BuildError {
  const { kind, message: words, hint } = answeredError(0, message.error);
  const { line, exitCode } = message;
  return new BuildError(kind, words, {
    output,
    ...(line === undefined ? {} : { line }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(hint === undefined ? {} : { hint }),
  });
}

async function* requestThen(
  request: PlyBuildRequest,
  archive: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(request)}\n`);
  yield* archive;
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
