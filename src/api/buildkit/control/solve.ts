import { isPlyError, PlyError } from "../../../error.ts";
import { type CallContext, errorOfStatus, type GrpcStatus, statusOfError } from "../../../grpc/index.ts";
import type { Build } from "./builds.ts";
import type { SolveRequest } from "./control-messages.ts";
import { exporterResponse } from "./exporter-response.ts";
import { CACHE_ONLY } from "./exporters.ts";
import type { Definition, Order, Typed } from "./order.ts";
import type { ControlParts } from "./parts.ts";
import { type Performed, perform } from "./perform.ts";

/**
 * `Control.Solve`: a build by a frontend; without one the client leads it itself by calls to the gateway until it
 * returns. Ends with what became of the exporters.
 */
export async function solve(
  parts: ControlParts,
  request: SolveRequest,
  { signal }: Pick<CallContext, "signal">,
): Promise<ReadonlyMap<string, string>> {
  refuseDefinition(request.definition);
  const stop = new AbortController();
  const build = parts.builds.begin(request, AbortSignal.any([signal, stop.signal]));
  let status: GrpcStatus | undefined;
  try {
    if (request.frontend !== "") {
      const { frontend, frontendAttributes, frontendInputs } = request;
      const order = { frontend, attributes: frontendAttributes, inputs: frontendInputs, cacheImports: [] };
      await performOf(parts, build, order);
    } else {
      const returned = await Promise.race([build.returned, aborted(build.signal)]);
      if (returned !== undefined) throw errorOfStatus(returned);
    }
    return build.exporterResponse;
  } catch (error) {
    status = statusOfError(error);
    throw error;
  } finally {
    stop.abort(new PlyError("cancelled", "the build is over"));
    await Promise.allSettled(build.performing);
    await forgetKept(parts, build);
    parts.builds.end(build, status);
  }
}

type Asked = Pick<Order, "frontend" | "attributes" | "inputs" | "cacheImports">;

/** Performs what a frontend is asked within a build; its results go to the exporters of the build. */
export async function performOf(
  parts: ControlParts,
  build: Build,
  asked: Asked,
  signal = build.signal,
): Promise<Performed> {
  const performing = performAsked(parts, build, asked, signal);
  build.performing.add(performing);
  try {
    return await performing;
  } finally {
    build.performing.delete(performing);
  }
}

async function performAsked(
  { engine, sessions, owner }: ControlParts,
  build: Build,
  asked: Asked,
  signal: AbortSignal,
): Promise<Performed> {
  const { request, works } = build;
  const session = await sessions.get(request.session, { signal });
  const exporters = exportersOf(request);
  // A result that goes nowhere is for other builds (`target:` of bake): they find it in the list.
  const isKept = exporters.length === 0 && !(asked.attributes.get("platform") ?? "").includes(",");
  const before = isKept ? new Set((await engine.images.list()).map(({ record }) => record.id)) : new Set();
  const order: Order = {
    ...asked,
    exporters: isKept ? [{ type: CACHE_ONLY, attributes: new Map() }] : exporters,
    cacheImports: asked.cacheImports.length > 0 ? asked.cacheImports : (request.cache?.imports ?? []),
    cacheExports: request.cache?.exports ?? [],
    entitlements: request.entitlements,
  };
  const performed = await perform(order, {
    engine,
    session,
    sessionOf: (id) => sessions.get(id, { signal }),
    works,
    owner,
    signal: AbortSignal.any([signal, session.closed]),
  });
  if (performed.kind !== "built") return performed;
  const { imageId } = performed.result;
  if (isKept && !before.has(imageId)) build.kept.add(imageId);
  build.exporterResponse = exporterResponse(order, performed.result);
  return performed;
}

/** Nobody asked for these images to be in the list; who uses them by now keeps them. */
async function forgetKept({ engine, builds }: ControlParts, { kept, ref }: Build): Promise<void> {
  const others = builds.running().filter((build) => build.ref !== ref);
  for (const id of kept)
    if (!others.some((build) => build.kept.has(id)))
      await engine.images.remove(id, { force: false, noPrune: false }).catch(() => undefined);
}

/** One exporter comes in fields of its own too, for builders that know no other. */
function exportersOf({ exporters, oldExporter, oldExporterAttributes }: SolveRequest): readonly Typed[] {
  if (exporters.length > 0 || oldExporter === "") return exporters;
  return [{ type: oldExporter, attributes: oldExporterAttributes }];
}

/** Throws "unsupported" for a graph of operations. */
export function refuseDefinition(definition: Definition | undefined): void {
  if (definition === undefined || definition.ops.length === 0) return;
  throw new PlyError("unsupported", "ply builds Dockerfiles: it runs no other definitions of builds (LLB)", {
    hint: "for a bake file at an address, fetch the repository first",
  });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void =>
      reject(
        isPlyError(signal.reason)
          ? signal.reason
          : new PlyError("cancelled", "the build was cancelled", { cause: signal.reason }),
      );
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
