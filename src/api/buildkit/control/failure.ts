import { isPlyError, messageOf, PlyError } from "../../../error.ts";
import { rpcStatus } from "./control-messages.ts";
import { sourceDocument } from "./source-places.ts";
import { CANCELLED } from "./vertexes.ts";

/** Codes of gRPC that clients treat in a way of their own. */
const UNKNOWN = 2;
const CODE_CANCELLED = 1;

/** BuildKit's kinds of details; they travel as JSON. */
const TYPE_PREFIX = "github.com/moby/buildkit/errdefs.";

/**
 * A failed build as clients of BuildKit expect it: with the lines of the Dockerfile that it is about, and without the
 * name of a code before its words.
 */
export function buildFailure(
  error: unknown,
  dockerfile: { readonly text: string; readonly name: string } | undefined,
): PlyError {
  if (isPlyError(error, "cancelled"))
    return new PlyError("cancelled", CANCELLED, { cause: error, details: { grpcCode: CODE_CANCELLED } });
  const { line, endLine = line } = isPlyError(error) ? error.details : {};
  const place =
    dockerfile !== undefined && typeof line === "number" && typeof endLine === "number"
      ? [detail("Source", sourceDocument(dockerfile, { start: line, end: endLine }))]
      : [];
  // What is said of an exit code begins with it.
  const hint = isPlyError(error) && error.hint !== undefined ? `: ${error.hint.replace(/^\d+: /, "")}` : "";
  const message = `${inBuildkitsWords(messageOf(error))}${hint}`;
  return withStatus({ code: UNKNOWN, message, details: place }, error);
}

/** Of commands that fail the classic builder speaks otherwise. */
export function inBuildkitsWords(message: string): string {
  const [, command, code] = /^The command '(.*)' returned a non-zero code: (\d+)$/s.exec(message) ?? [];
  if (command === undefined) return message;
  return `process ${JSON.stringify(command)} did not complete successfully: exit code: ${code}`;
}

/** What makes clients ask in another way, or say that their question is too new. */
export function unsupportedSubrequest(name: string): PlyError {
  const details = [detail("Subrequest", { name })];
  return withStatus({ code: UNKNOWN, message: `unsupported request ${name}`, details }, undefined);
}

interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

function detail(type: string, value: object): Status["details"][number] {
  return { typeUrl: `${TYPE_PREFIX}${type}+json`, value: Buffer.from(JSON.stringify(value)) };
}

function withStatus(status: Status, cause: unknown): PlyError {
  return new PlyError(isPlyError(cause) ? cause.kind : "internal", status.message, {
    cause,
    details: {
      grpcCode: status.code,
      ...(status.details.length === 0 ? {} : { grpcStatusDetails: rpcStatus.encode(status) }),
    },
  });
}
