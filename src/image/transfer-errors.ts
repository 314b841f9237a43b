import { isPlyError, PlyError } from "../error.ts";
import { familiarName, familiarString, type Reference } from "../oci/index.ts";

/** Something is wrong with the content itself. */
const FAULTS: ReadonlySet<string> = new Set(["corrupt", "invalid", "limit"]);

/** A registry's refusal of a pull in Docker's words; faults of the content with the image's name. */
export function pullError(error: unknown, reference: Reference): unknown {
  if (!(error instanceof PlyError)) return error;
  if (error.kind === "denied" || isUnknownRepository(error))
    return new PlyError(
      error.kind,
      `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${error.message}`,
      {
        cause: error,
        hint: error.hint ?? `ply login ${reference.domain} if it is private`,
        details: error.details,
      },
    );
  // What is wrong with a layer is said by whoever reads it, who knows no image.
  if (FAULTS.has(error.kind) && !error.message.includes(familiarName(reference)))
    return new PlyError(error.kind, `${familiarString(reference)}: ${error.message}`, {
      cause: error,
      details: error.details,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  return error;
}

/** No manifest under the name a user gave, in Docker's words; other errors as they are. */
export function manifestError(error: unknown, reference: Reference): unknown {
  if (!isPlyError(error, "not-found") || isUnknownRepository(error)) return error;
  return new PlyError(
    "not-found",
    `manifest for ${familiarString(reference)} not found: manifest unknown: manifest unknown`,
    { cause: error, details: error.details },
  );
}

/** A registry's refusal of a push in Docker's words; other errors as they are. */
export function pushError(error: unknown, reference: Reference): unknown {
  if (!isPlyError(error, "denied")) return error;
  return new PlyError(
    "denied",
    `push access denied for ${familiarName(reference)}, repository does not exist or may require authorization: ${error.message}`,
    { cause: error, hint: error.hint ?? `ply login ${reference.domain} first`, details: error.details },
  );
}

function isUnknownRepository(error: PlyError): boolean {
  return error.kind === "not-found" && error.details["code"] === "NAME_UNKNOWN";
}
