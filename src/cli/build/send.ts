import { isPlyError } from "../../error.ts";
import type { PlyBuildRequest } from "../../wire/index.ts";
import type { EngineClient } from "../client/index.ts";
import { packContexts } from "./local-context.ts";
import { directoryContext, type LocalContext, type PreparedBuild } from "./request.ts";

/** All of a request but what is built. */
export type BuildRequestFields = Omit<PlyBuildRequest, "context" | "contexts" | "dockerfile">;

export interface SendOptions {
  readonly request: BuildRequestFields;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Asks the engine for a build. One on this host, where it finds the same directories, reads them itself; another gets
 * them as an archive. The answer is what `decodeBuildAnswer` reads.
 */
export async function sendBuild(
  engine: EngineClient,
  prepared: PreparedBuild,
  options: SendOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const locals = [prepared.main, ...prepared.named.values()].filter((each) => "directory" in each);
  if (engine.address.kind === "unix" && locals.length > 0)
    try {
      return await post(engine, requestWith(prepared, options, directoryContext), options);
    } catch (error) {
      if (!isPlyError(error, "conflict")) throw error;
    }
  const request = requestWith(prepared, options, () => ({ kind: "sent" }));
  return await post(engine, request, options, prepared.archive ?? packContexts(locals));
}

function requestWith(
  { dockerfile, main, named }: PreparedBuild,
  { request }: SendOptions,
  toContext: (local: LocalContext) => PlyBuildRequest["context"],
): PlyBuildRequest {
  const project = "directory" in main ? main.directory : main.kind === "address" ? main.address : undefined;
  return {
    ...request,
    ...(project === undefined ? {} : { project }),
    ...("directory" in main && main.rules !== undefined ? { ignore: main.rules } : {}),
    dockerfile,
    context: "directory" in main ? toContext(main) : main,
    layouts: Object.fromEntries(
      [...named].flatMap(([name, context]) =>
        "image" in context && context.image !== undefined ? [[name, context.image]] : [],
      ),
    ),
    contexts: Object.fromEntries(
      [...named].map(([name, context]) => [name, "directory" in context ? toContext(context) : context]),
    ),
  };
}

async function post(
  engine: EngineClient,
  request: PlyBuildRequest,
  { headers, signal }: SendOptions,
  archive?: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  const { body } = await engine.request("POST", "/ply/build", {
    headers: { ...headers, "Content-Type": "application/x-ply-build" },
    body: (async function* () {
      yield Buffer.from(`${JSON.stringify(request)}\n`);
      if (archive !== undefined) yield* archive;
    })(),
    signal,
  });
  return body;
}
