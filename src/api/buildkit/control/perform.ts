import type { BuildResult } from "../../../build/index.ts";
import { parseDockerfile } from "../../../dockerfile/index.ts";
import type { Engine } from "../../../engine.ts";
import { isPlyError, messageOf, PlyError } from "../../../error.ts";
import { buildOptionsOf } from "../../build-options.ts";
import { storedNames } from "../../build-outputs.ts";
import { claimImage, claimNames } from "../../session-routes.ts";
import type { BuildkitSession } from "../session/session.ts";
import { createBuildVertexes } from "./build-vertexes.ts";
import { openOrder } from "./contexts.ts";
import { createExporting } from "./exporting.ts";
import { buildFailure, inBuildkitsWords } from "./failure.ts";
import { lentForSteps } from "./lent-secrets.ts";
import type { Order } from "./order.ts";
import { requestOf } from "./order-request.ts";
import { createStepNames } from "./step-names.ts";
import { answerSubrequest } from "./subrequest.ts";
import { CANCELLED, type Works } from "./vertexes.ts";

export interface PerformOptions {
  readonly engine: Engine;
  readonly session: BuildkitSession;
  readonly sessionOf: (id: string) => Promise<BuildkitSession>;
  readonly works: Works;
  /** The session of ply's own that what is made belongs to. */
  readonly owner: string | undefined;
  /** By which it can be cancelled (`POST /build/cancel`). */
  readonly id?: string;
  readonly signal: AbortSignal;
}

export type Performed =
  | { readonly kind: "built"; readonly result: BuildResult }
  /** A question was answered. */
  | { readonly kind: "told"; readonly metadata: ReadonlyMap<string, Uint8Array> };

/** Builds what a client orders and hands the results over, or answers what it asks. Throws what the client is to read. */
export async function perform(order: Order, options: PerformOptions): Promise<Performed> {
  const { works, signal } = options;
  const seen: Seen = {};
  try {
    return await performOrder(order, options, seen);
  } catch (error) {
    works.failAll(signal.aborted ? CANCELLED : inBuildkitsWords(messageOf(error)));
    throw buildFailure(signal.aborted ? cancelled(error) : error, seen.dockerfile);
  }
}

/** What failures are told with. */
interface Seen {
  dockerfile?: { readonly text: string; readonly name: string };
}

function cancelled(cause: unknown): PlyError {
  return isPlyError(cause, "cancelled") ? cause : new PlyError("cancelled", CANCELLED, { cause });
}

async function performOrder(
  order: Order,
  { engine, session, sessionOf, works, owner, id, signal }: PerformOptions,
  seen: Seen,
): Promise<Performed> {
  checkFrontend(order);
  const request = requestOf(order);
  const asked = buildOptionsOf(request);
  const { buildArgs = new Map() } = asked;
  await using stack = new AsyncDisposableStack();
  const opened = stack.use(await openOrder({ engine, session, sessionOf, order, works, buildArgs, signal }));
  const { dockerfile, definition } = opened;
  seen.dockerfile = dockerfile;
  const question = order.attributes.get("requestid");
  if (question !== undefined)
    return {
      kind: "told",
      metadata: await answerSubrequest(engine.builder.calls, question, { ...asked, dockerfile }),
    };
  const file = parseDockerfile(dockerfile.text, dockerfile.name);
  const contexts = await opened.open();
  const outline = await outlineOf(engine, { ...asked, dockerfile, ...contexts });
  const lent = outline === undefined ? {} : await lentForSteps(file, outline, { session, stack, signal });
  const exporting = createExporting(order, { works, session, signal });
  const belongs = owner === undefined ? {} : { session: owner };
  const making = async (): Promise<BuildResult> => {
    claimNames(belongs, engine, storedNames(request));
    const result = await engine.builder.build({
      ...asked,
      ...contexts,
      ...lent,
      ...(id === undefined ? {} : { id }),
      dockerfile,
      checks: true,
      take: exporting.take,
      credentialsOf: (domain) => session.credentialsOf(domain, { signal }),
      onEvent: createBuildVertexes({
        works,
        nameOf: createStepNames(file, { buildArgs, ...contexts }),
        dockerfile,
        definition,
        exporting: exporting.work,
      }),
      signal,
    });
    if (result.isStored) claimImage(belongs, engine, result.imageId);
    return result;
  };
  const result = await (owner === undefined ? making() : engine.sessions.during(owner, making));
  exporting.done(result.imageId);
  return { kind: "built", result };
}

/** Undefined for a Dockerfile that cannot be planned: the build says why, and where. */
async function outlineOf(
  { builder }: Engine,
  options: Parameters<Engine["builder"]["calls"]["outline"]>[0],
): Promise<Awaited<ReturnType<typeof builder.calls.outline>> | undefined> {
  try {
    return await builder.calls.outline(options);
  } catch (error) {
    if (isPlyError(error)) return undefined;
    throw error;
  }
}

/** `gateway.v0` names an image of a frontend: its build argument says which, and the builder knows those it can be. */
function checkFrontend({ frontend, attributes }: Order): void {
  if (frontend === "dockerfile.v0") return;
  if (frontend === "gateway.v0" && attributes.has("build-arg:BUILDKIT_SYNTAX")) return;
  const source = attributes.get("source");
  throw new PlyError(
    "unsupported",
    `the frontend ${source ?? JSON.stringify(frontend)} cannot be run: docker/dockerfile is built in, and there are no others`,
  );
}
