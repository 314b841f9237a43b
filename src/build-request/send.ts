import { isPlyError, PlyError } from "../error.ts";
import type { PlyBuildContext, PlyBuildRequest } from "../wire/index.ts";
import { directoryIdentity, isLocal, type LocalContext, type PreparedBuild } from "./context.ts";
import { packContexts } from "./pack-contexts.ts";

/** All of a request but what is built. */
export type BuildRequestFields = Omit<PlyBuildRequest, "context" | "contexts" | "dockerfile">;

/** The way to an engine that builds. */
export interface BuildDoor {
  /** It is on this host, where it may find the same directories. */
  readonly isHere: boolean;
  /** Does `POST /ply/build`; returns the answer's bytes. */
  post(
    headers: Readonly<Record<string, string>>,
    body: AsyncIterable<Uint8Array>,
  ): Promise<AsyncIterable<Uint8Array>>;
}

export interface SendOptions {
  readonly request: BuildRequestFields;
  /** The registries' credentials. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Asks the engine for a build. One on this host, where it finds the same directories, reads them itself; another gets
 * them as an archive. The answer is what `decodeBuildAnswer` reads.
 */
export async function sendBuild(
  door: BuildDoor,
  prepared: PreparedBuild,
  options: SendOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const { archive } = prepared;
  const locals = [prepared.main, ...prepared.named.values()].filter(isLocal);
  const send = (toContext: (local: LocalContext) => PlyBuildContext): Promise<AsyncIterable<Uint8Array>> => {
    const sent = locals.filter((local) => toContext(local).kind === "sent");
    if (archive !== undefined && sent.length > 0)
      throw new PlyError("unsupported", "directories cannot be sent beside a context that is an archive", {
        hint: "unpack the archive, or build on an engine of this host",
      });
    const body = sent.length > 0 ? packContexts(sent) : archive;
    const request = requestWith(prepared, options, toContext);
    return door.post(
      { ...options.headers, "Content-Type": "application/x-ply-build" },
      lineThen(request, body),
    );
  };
  if (door.isHere && locals.some((local) => "directory" in local))
    try {
      return await send(foundThere);
    } catch (error) {
      // An archive went with it, which cannot be read twice.
      if (!isPlyError(error, "conflict") || archive !== undefined) throw error;
    }
  return await send(() => SENT);
}

const SENT = { kind: "sent" } as const;

/** How a directory is named to an engine that may read it itself. */
function foundThere(local: LocalContext): PlyBuildContext {
  if (!("directory" in local)) return SENT;
  const { directory, rules } = local;
  return {
    kind: "directory",
    ...directoryIdentity(directory),
    ...(rules === undefined ? {} : { ignore: rules }),
  };
}

function requestWith(
  { dockerfile, main, named }: PreparedBuild,
  { request }: SendOptions,
  toContext: (local: LocalContext) => PlyBuildContext,
): PlyBuildRequest {
  const project =
    "directory" in main
      ? main.directory
      : "kind" in main && main.kind === "address"
        ? main.address
        : undefined;
  return {
    ...request,
    ...(project === undefined ? {} : { project }),
    ...(isLocal(main) && main.rules !== undefined ? { ignore: main.rules } : {}),
    dockerfile,
    context: isLocal(main) ? toContext(main) : main,
    layouts: Object.fromEntries(
      [...named].flatMap(([name, context]) =>
        "image" in context && context.image !== undefined ? [[name, context.image]] : [],
      ),
    ),
    contexts: Object.fromEntries(
      [...named].map(([name, context]) => [name, isLocal(context) ? toContext(context) : context]),
    ),
  };
}

async function* lineThen(
  request: PlyBuildRequest,
  archive: AsyncIterable<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(request)}\n`);
  if (archive !== undefined) yield* archive;
}
